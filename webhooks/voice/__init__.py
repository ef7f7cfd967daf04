"""Voice: tools for a voice agent, what it reports after a call, speech to text and text to speech."""
