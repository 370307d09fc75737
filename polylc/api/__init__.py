"""What users call: one file per public function, named like it."""
