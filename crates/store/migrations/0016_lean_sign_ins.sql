-- Each sign-in wrote a page for each of these. Attempts end in the order in which they began, which the index of
-- their ends has, and addresses are kept in the order of their events.
DROP INDEX login_attempts_age;
DROP INDEX audit_addresses_at;
