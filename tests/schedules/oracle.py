"""When cron expressions open, by two judges that share no code with rekeyd.

Reads {"crontab": [case...], "walk": [case...]} and writes the openings of each case, in seconds of Unix time. A case is
[expression, zone, after, until, most]: the openings in (after, until], `most` of them at most.

`crontab` is judged by cronsim, a copy of Debian's cron, with zoneinfo's time zones. `walk` looks at a clock on a wall
minute by minute, with expressions read by the rules of AWS's user guide and of crontab(5). Both zoneinfo and rekeyd
must have one release of the IANA database: scripts/requirements.txt pins tzdata.
"""

import calendar
import functools
import json
import os
import sys
from datetime import datetime, timedelta, timezone

os.environ["PYTHONTZPATH"] = ""  # tzdata's zones, not the machine's

from zoneinfo import ZoneInfo  # noqa: E402

from cronsim import CronSim, CronSimError  # noqa: E402
from cronsim.cronsim import Field  # noqa: E402

MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
WEEKDAYS = "SUN MON TUE WED THU FRI SAT".split()
NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def by_cronsim(expression, zone, after, until, most):
    # Sunday by name is 0 to Debian's cron, so that no range ends with it; rekeyd takes it for the 7 that it is, too.
    minute, hour, *days = NICKNAMES.get(expression, expression).upper().replace("-SUN", "-7").split()
    # Debian's cron treats a job as one of intervals, which clock changes skip or repeat, when its minute or its hour
    # *begins* with a star. rekeyd does when it names every hour, however that is written: else `*/10 2 * * *` would
    # not run at all on one day of the year, and twelve times on another. So each is told in cron's terms.
    if len(Field.HOUR.parse(hour)) == 24:
        hour = "*"
    else:
        minute = minute.replace("*", "0-59", 1) if minute.startswith("*") else minute
        hour = hour.replace("*", "0-23", 1) if hour.startswith("*") else hour
    begin = datetime.fromtimestamp(after, ZoneInfo(zone))
    found = []
    try:
        for moment in CronSim(" ".join([minute, hour, *days]), begin):
            moment = int(moment.timestamp())
            if moment > until or len(found) == most:
                break
            # It counts from the time that the clock shows; within an hour that comes twice, that is the first one.
            if moment > after:
                found.append(moment)
    except CronSimError as error:
        if str(error) != "Bad day-of-month":  # no month has that day
            raise
    return found


def values(text, low, high, names):
    def value(word):
        return names.index(word) + low if word in names else int(word)

    found = set()
    for item in text.split(","):
        span, _, step = item.partition("/")
        if span in ("*", ""):
            first, last = low, high
        elif "-" in span:
            first, last = map(value, span.split("-"))
            if last < first and last == 0:  # FRI-SUN in a crontab
                last = 7
        else:
            first = value(span)
            last = high if step else first
        found.update(range(first, last + 1, int(step or 1)))
    return found


def weekday_of(date):
    """1 for Sunday, as AWS counts."""
    return date.isoweekday() % 7 + 1


def days_of_aws(day, weekday):
    def named(word):
        return WEEKDAYS.index(word) + 1 if word in WEEKDAYS else int(word)

    def last(date):
        return calendar.monthrange(date.year, date.month)[1]

    if weekday == "?":
        if day == "L":
            return lambda date: date.day == last(date)
        if not day.endswith("L"):
            days = values(day, 1, 31, [])
            return lambda date: date.day in days
        weekday = day  # SUNL
    if weekday == "L":
        return lambda date: weekday_of(date) == 7
    if weekday.endswith("L"):
        wanted = named(weekday[:-1])
        return lambda date: weekday_of(date) == wanted and date.day > last(date) - 7
    if "#" in weekday:
        wanted, nth = weekday.split("#")
        wanted, nth = named(wanted), int(nth)
        return lambda date: weekday_of(date) == wanted and (date.day - 1) // 7 + 1 == nth
    wanted = values(weekday, 1, 7, WEEKDAYS)
    return lambda date: weekday_of(date) in wanted


def days_of_crontab(day, weekday):
    days = values(day, 1, 31, [])
    weekdays = {number % 7 for number in values(weekday, 0, 7, WEEKDAYS)}
    if day.startswith("*") or weekday.startswith("*"):
        return lambda date: date.day in days and date.isoweekday() % 7 in weekdays
    return lambda date: date.day in days or date.isoweekday() % 7 in weekdays


@functools.cache
def clock(zone, after, until, step):
    """What the clock on the wall shows, each `step` seconds from some hours before `after` on."""
    zone = ZoneInfo(zone)
    begin = after - after % step - 6 * 3600
    moments = range(begin, until + 1, step)
    return [(moment, datetime.fromtimestamp(moment, zone).replace(tzinfo=None)) for moment in moments]


def by_walking(expression, zone, after, until, most):
    expression = NICKNAMES.get(expression, expression).upper()
    if expression.startswith("CRON("):
        minute, hour, day, month, weekday, year = expression[5:-1].split()
        assert (minute, year) == ("0", "*")
        on_day, step = days_of_aws(day, weekday), 900
    else:
        minute, hour, day, month, weekday = expression.split()
        on_day, step = days_of_crontab(day, weekday), 60
    minutes, hours = values(minute, 0, 59, []), values(hour, 0, 23, [])
    months = values(month, 1, 12, MONTHS)

    def named(time):
        return (
            time.minute in minutes and time.hour in hours and time.month in months and on_day(time)
        )

    found = []
    shown = clock(zone, after, until, step)
    latest = shown[0][1]
    stride = timedelta(seconds=step)
    for moment, time in shown:
        if len(hours) == 24:
            opens = named(time)
        else:
            # Every time counts when the clock first reaches or passes it.
            opens = False
            while latest < time:
                latest += stride
                opens = named(latest) or opens
        if opens and moment > after:
            found.append(moment)
            if len(found) == most:
                break
    return found


def main():
    cases = json.load(sys.stdin)
    answers = {
        "crontab": [by_cronsim(*case) for case in cases["crontab"]],
        "walk": [by_walking(*case) for case in cases["walk"]],
        "database": database(),
    }
    json.dump(answers, sys.stdout)


def database():
    import tzdata

    return tzdata.IANA_VERSION


if __name__ == "__main__":
    main()
