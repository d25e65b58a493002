"""Sources of tables: files of several formats, several files, pipes and tables in memory, read as rows of text."""
