exec make fuzz
