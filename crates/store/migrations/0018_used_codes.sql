-- The token that a code was exchanged for, and 0 while that is being done: who comes with the code again ends it.
ALTER TABLE codes ADD COLUMN token_id BIGINT;
