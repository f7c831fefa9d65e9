-- What an incident's event says beside its figures: contracts.incidents.Detail as JSON, '' where there is
-- nothing more to say. Text, as it came: what is wrong with it is for its reader to say.
ALTER TABLE event ADD COLUMN detail text NOT NULL DEFAULT '';
