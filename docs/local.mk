# Add a file as a line of its own, sorted.
dist_doc_DATA =
