//! A spawner in memory.
