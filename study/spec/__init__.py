"""What a study is: its spec, with the settings to search, the metrics and the constraints."""
