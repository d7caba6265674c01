"""The SMS gateway that the settings name."""

from api.messaging.demo import DemoGateway
from api.messaging.link_mobility import LinkMobility
from desk.clock import Clock
from desk.messages.outbox import Outbox
from desk.messages.sender import Gateway, Sender
from desk.messages.texts import SmsTextsFile
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


def make_sender(settings: SmsSettings, *, outbox: Outbox, texts: SmsTextsFile | None, clock: Clock) -> Sender:
    """Build what sends the messages of the outbox."""
    return Sender(
        outbox=outbox,
        gateway=open_gateway(settings, clock),
        texts=texts,
        clock=clock,
        is_demo=settings.active_gateway == "demo",
    )
