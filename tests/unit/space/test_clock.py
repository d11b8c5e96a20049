from reenact.space.clock import Clock


def test_time_left_follows_the_rate_since_the_first_report() -> None:
    now = [0.0]
    clock = Clock(lambda: now[0])
    now[0] = 30.0  # loading does not count
    assert clock.text(8, 108) == "Drawing"
    now[0] = 32.0
    assert clock.text(28, 108) == "Drawing, 8 s left"
    now[0] = 40.0
    assert clock.text(108, 108) == "Drawing"
    assert clock.seconds() == 40


def test_long_times_are_in_minutes() -> None:
    now = [0.0]
    clock = Clock(lambda: now[0])
    clock.text(0, 1000)
    now[0] = 10.0
    assert clock.text(10, 1000) == "Drawing, 16 min left"
