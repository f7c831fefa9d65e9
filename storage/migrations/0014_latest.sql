-- What it is now: the newest value of each series by capture, so that late data never become it.
-- Nothing but the key is indexed and half of each page is free: an update stays on its page.
CREATE TABLE latest (
    device    integer NOT NULL,
    metric    smallint NOT NULL,
    simulated boolean NOT NULL,
    captured  timestamptz NOT NULL,
    received  timestamptz NOT NULL,
    value     double precision NOT NULL,
    quality   smallint NOT NULL,
    PRIMARY KEY (device, metric, simulated)
) WITH (fillfactor = 50);

-- Series that were heard of within the last day; older ones come with their next value. A row does
-- not say when it was received: its capture stands in.
INSERT INTO latest (device, metric, simulated, captured, received, value, quality)
SELECT DISTINCT ON (device, metric, simulated)
       device, metric, simulated, captured, captured, value, quality
FROM observation WHERE captured > now() - INTERVAL '1 day'
ORDER BY device, metric, simulated, captured DESC;
