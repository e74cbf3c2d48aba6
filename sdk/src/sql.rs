//! Floor 1: the text of a statement and what it means. Pure; knows no database.
