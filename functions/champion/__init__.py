"""Creates a package's champion pointer once. CloudFormation calls it; it never changes a pointer that exists."""
