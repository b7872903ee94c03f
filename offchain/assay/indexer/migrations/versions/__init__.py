"""One file a revision. Each makes all tables anew: what they hold is read again."""
