"""What is: identities, desired and live objects, records of past runs, the journal and the lock."""
