-- Who measures where, and who may read it.

CREATE EXTENSION IF NOT EXISTS timescaledb;

CREATE TABLE site (
    site       integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    pilot      text NOT NULL,
    name       text NOT NULL,
    plan       jsonb NOT NULL,               -- contracts.site.Site
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (pilot, name)
);

CREATE TABLE device (
    device        integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    pilot         text NOT NULL,
    name          text NOT NULL,
    site          integer NOT NULL REFERENCES site,
    registered_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (pilot, name)
);

-- Names arrive before people explain them: an unknown metric is pending, its values are kept.
CREATE TABLE metric (
    metric     smallint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name       text NOT NULL UNIQUE,
    unit       text,                         -- UCUM
    pending    boolean NOT NULL DEFAULT true
);

-- What the broker last said of a device: birth certificate or will.
CREATE TABLE device_state (
    device      integer PRIMARY KEY REFERENCES device,
    online      boolean NOT NULL,
    boot        uuid NOT NULL,
    since       timestamptz NOT NULL,
    state       jsonb NOT NULL,              -- contracts.messages.State
    received_at timestamptz NOT NULL
);

CREATE TABLE api_key (
    key        integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name       text NOT NULL,
    digest     bytea NOT NULL UNIQUE,        -- SHA-256 of a random 256-bit key
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

-- Every look at a picture, and who took it why.
CREATE TABLE audit (
    at      timestamptz NOT NULL DEFAULT now(),
    actor   text NOT NULL,
    action  text NOT NULL,
    subject text NOT NULL,
    purpose text
);
CREATE INDEX ON audit (at);
