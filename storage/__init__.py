"""Schema migrations, pools, binary COPY and the queries that two rooms share."""
