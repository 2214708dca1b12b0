gac lottery --seeds 5
