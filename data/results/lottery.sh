gac lottery --table lottery --seeds 5
