-- What an operator or a program keeps with a group: a JSON object that means nothing to the hub.
ALTER TABLE groups ADD COLUMN properties TEXT NOT NULL DEFAULT '{}';
