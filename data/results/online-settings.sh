# Starts that were tried once; kept as means, not made again by this file. The columns `start` and `setting` say how, by
#   gac train FILE --iterations N --out RUN
#   gac online RUN --quantile .95 --set iterations=N --table NAME        and --strategy control
gac online --help
