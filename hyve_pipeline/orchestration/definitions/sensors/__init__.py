"""The sensors of one sync: what runs automatically once it is switched on."""
