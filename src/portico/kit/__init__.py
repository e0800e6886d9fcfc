"""What has no business words: money arithmetic, errors, files, jobs, pages' plumbing."""
