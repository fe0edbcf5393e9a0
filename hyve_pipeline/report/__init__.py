"""What a person is shown of a plan: pictures, and a page that holds everything."""
