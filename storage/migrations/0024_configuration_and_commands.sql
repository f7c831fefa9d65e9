-- What platform and devices tell each other of configuration and commands, for whoever looks at a device.

CREATE TABLE device_configuration (
    device      integer NOT NULL REFERENCES device,
    version     bigint NOT NULL,
    config      jsonb,                       -- tables that are desired; NULL: nobody listened then
    desired_at  timestamptz,
    state       text,                        -- what the device made of it; NULL: it has not said
    reason      text NOT NULL DEFAULT '',
    applied     bigint,                      -- version in force then, 0: the box's own file alone
    config_hash text,                        -- SHA-256 of the configuration in force then
    reported_at timestamptz,                 -- by the device's clock
    heard_at    timestamptz,                 -- when that was received
    PRIMARY KEY (device, version)
);

CREATE TABLE device_command (
    device      integer NOT NULL REFERENCES device,
    command     text NOT NULL,               -- its id
    task        jsonb NOT NULL,              -- what is to be done
    asked_by    text,                        -- name of the API key; NULL: an operator at the broker
    asked_at    timestamptz NOT NULL,
    state       text,                        -- 'done', 'refused'; NULL: no answer
    reason      text NOT NULL DEFAULT '',
    answer      jsonb,
    answered_at timestamptz,                 -- when it was received
    PRIMARY KEY (device, command)
);
CREATE INDEX device_command_asked ON device_command (device, asked_at);
