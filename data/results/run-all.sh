exec make runall
