"""Settings. Flags take precedence over environment variables, those over the configuration file, and the file over defaults."""

from meshtui.settings.load import config_file, load_settings
from meshtui.settings.model import PROBE_IMAGE, Checkout, Denials, Probe, Settings, Timeouts

__all__ = ["PROBE_IMAGE", "Checkout", "Denials", "Probe", "Settings", "Timeouts", "config_file", "load_settings"]
