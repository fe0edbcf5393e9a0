"""Where the files of the state are: a local folder, or a bucket."""
