gac processes --table processes --set batch=256 --iterations 8 --repetitions 3
gac processes --table processes --set batch=512 --iterations 4 --repetitions 3
gac processes --table processes --set batch=128 --counts 1 --iterations 16 --repetitions 3
