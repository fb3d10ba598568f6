"""Parts of the screens: actions, documents, panes, widgets."""
