"""The branch of alerts below AnxinError.

AnxinError
└── AlertError                  something in alerts or repair orders
    ├── PolicyError             policy.toml contradicts itself; names the entry
    ├── GuidanceError           the repair guidance breaks a rule; names the entry
    ├── UnknownOrder            no such order
    ├── UnknownAlert            no such alert
    ├── UnknownTrip             no such trip of the circuit breaker
    ├── UnknownArrival          no such parts on their way
    ├── UnknownContact          no such contact way or webhook
    ├── InvalidTransition       the order cannot move to the requested state
    ├── VersionConflict         somebody changed the order first
    ├── InvalidAnswer           the owner's answer is not yes, no or later
    ├── InvalidDetails          what is said with an action does not fit it; names field and rule
    ├── KeyReused               the idempotency key belongs to another command
    ├── BookingConflict         bay, technician or part was taken meanwhile; decide again
    ├── InvalidSignature        a message to a webhook, or a link, is not ours, or the message too old
    ├── LinkExpired             a link of ours is not good any more
    └── DeliveryError           a message was not delivered
        ├── AddressRefused      the address may not be called
        └── SubscriptionGone    the push service has forgotten the subscription
"""

from data.errors import AnxinError


class AlertError(AnxinError):
    """Something about an alert or a repair order is wrong."""


class PolicyError(AlertError):
    """The alert policy contradicts itself."""


class GuidanceError(AlertError):
    """The repair guidance breaks a rule."""


class UnknownOrder(AlertError):  # noqa: N818 - it reads as a fact
    """There is no such repair order."""


class UnknownAlert(AlertError):  # noqa: N818 - it reads as a fact
    """There is no such alert."""


class UnknownTrip(AlertError):  # noqa: N818 - it reads as a fact
    """There is no such trip of the circuit breaker."""


class UnknownContact(AlertError):  # noqa: N818 - it reads as a fact
    """There is no such contact way or webhook."""


class UnknownArrival(AlertError):  # noqa: N818 - it reads as a fact
    """There are no such parts on their way."""


class InvalidTransition(AlertError):  # noqa: N818 - it reads as a fact
    """The repair order cannot move to the requested state."""


class VersionConflict(AlertError):  # noqa: N818 - it reads as a fact
    """Somebody else changed the repair order first."""


class InvalidAnswer(AlertError):  # noqa: N818 - it reads as a fact
    """The owner's answer is not one of yes, no and later."""


class InvalidDetails(AlertError):  # noqa: N818 - it reads as a fact
    """What is said with an action does not fit it."""


class KeyReused(AlertError):  # noqa: N818 - it reads as a fact
    """The idempotency key was used for another command."""


class BookingConflict(AlertError):  # noqa: N818 - it reads as a fact
    """A bay, a technician or a part was taken meanwhile; the decision must be made again."""


class NeedsOwnTransaction(AlertError):  # noqa: N818 - it reads as a fact
    """What follows from a decision cannot be done together with the decisions about other vehicles."""


class InvalidSignature(AlertError):  # noqa: N818 - it reads as a fact
    """A message to a webhook does not carry our signature, or is too old."""


class LinkExpired(AlertError):  # noqa: N818 - it reads as a fact
    """The link was one of ours and is not good any more."""


class DeliveryError(AlertError):
    """A message was not delivered."""

    is_final = False  #: trying again is of no use


class AddressRefused(DeliveryError):  # noqa: N818 - it reads as a fact
    """The address that somebody gave may not be called."""


class SubscriptionGone(DeliveryError):  # noqa: N818 - it reads as a fact
    """The push service has forgotten the subscription; it is not called again."""
