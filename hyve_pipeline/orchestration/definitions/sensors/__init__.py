"""What goes on without a person, once it is switched on."""
