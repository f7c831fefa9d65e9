-- How a box becomes a device: one-time codes, and the certificates that were given for them.

CREATE TABLE enrolment (
    enrolment  integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    device     integer NOT NULL REFERENCES device,
    digest     bytea NOT NULL UNIQUE,        -- SHA-256 of a code of 80 random bits
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    public_key bytea                         -- SHA-256 of the key that it was used for
);
CREATE INDEX enrolment_device ON enrolment (device);

CREATE TABLE device_certificate (
    serial     text PRIMARY KEY,             -- hexadecimal
    device     integer NOT NULL REFERENCES device,
    enrolment  integer REFERENCES enrolment, -- NULL: the device has renewed one
    pem        text NOT NULL,
    issued_at  timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX device_certificate_device ON device_certificate (device, issued_at);
