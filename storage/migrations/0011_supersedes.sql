-- Which value took the place of another: the one that none took the place of is the present one.
CREATE INDEX indicator_value_supersedes ON indicator_value (supersedes);
