"""What was bought, on disk, so that nothing paid is lost or bought twice."""
