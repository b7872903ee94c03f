"""The consumer's OpenAI-compatible HTTP endpoint: signs jobs, streams answers, keeps receipts."""
