"""The hospital's own telephone numbers. No callback goes there: an agent would ring the hospital."""

from collections.abc import Callable, Collection

from desk.departments.departments import Departments
from desk.numbers.phone_number import PhoneNumber


class OwnNumbers:
    """The numbers of all departments, as the file has them now, and `others`, such as the switchboard's."""

    def __init__(self, departments: Callable[[], Departments], others: Collection[PhoneNumber] = ()) -> None:
        self._departments = departments
        self._others = frozenset(each.e164 for each in others)

    def __contains__(self, phone: object) -> bool:
        if not isinstance(phone, PhoneNumber):
            return False
        own = (each.hospital_number.e164 for each in self._departments().all())
        return phone.e164 in self._others or phone.e164 in own
