"""The SMS gateway that the settings name."""

from api.messaging.demo import DemoGateway
from api.messaging.link_mobility import LinkMobility
from desk.clock import Clock
from desk.messages.sender import Gateway
from desk.settings.sms import SmsSettings


def open_gateway(settings: SmsSettings, clock: Clock) -> Gateway | None:
    """Open the gateway of the settings; None where SMS is off."""
    match settings.active_gateway:
        case "link":
            return LinkMobility(settings)
        case "demo":
            return DemoGateway(settings.var, clock)
        case _:
            return None
