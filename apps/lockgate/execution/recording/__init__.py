"""Parts of the recording editor (``execution.recording_editor``), by what they listen to."""
