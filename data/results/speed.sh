exec make speed
