"""A small town, drawn from one seed: 96 restaurants, 400 guests and where each of them ate next.

A guest's next visit depends on taste (which cuisine), on the hour (cafés in the morning, bars at night) and on where
they just were: at lunch people stay in the district, at dinner they follow their taste.
"""

import numpy as np

CUISINES = {
    "italian": (["Trattoria", "Osteria", "Pizzeria"], ["Vesuvio", "Luna", "del Ponte", "Girasole"]),
    "japanese": (["Sushi", "Ramen", "Izakaya"], ["Hana", "Kaze", "Sakura", "Tanuki"]),
    "mexican": (["Taquería", "Cantina", "Casa"], ["Oaxaca", "Frida", "del Sol", "Agave"]),
    "indian": (["Tandoor", "Curry House", "Spice Room"], ["Jaipur", "Kerala", "Lotus", "Monsoon"]),
    "greek": (["Taverna", "Meze", "Ouzeri"], ["Kalypso", "Olive", "Santorini", "Zorba"]),
    "café": (["Café", "Bakery", "Coffee Bar"], ["Morgenrot", "Flora", "Crumb", "Early Bird"]),
    "bar": (["Bar", "Wine Bar", "Late Kitchen"], ["Nocturne", "Velvet", "Comet", "Last Stop"]),
    "vegan": (["Green Kitchen", "Salad Bar", "Garden"], ["Sprout", "Fern", "Juniper", "Basil"]),
}
DISTRICTS = ["Harbour", "Old Town", "Station", "Hill"]
GUESTS, VISITS = 400, 45
HOURS = 24
SEED = 20260101


def restaurants():
    """[{id, name, cuisine, district}], 96 of them; the id is what the models speak."""
    rng = np.random.default_rng(SEED)
    rows = []
    for cuisine, (kinds, names) in CUISINES.items():
        for kind in kinds:
            for name in names:
                district = DISTRICTS[int(rng.integers(len(DISTRICTS)))]
                rows.append({"id": len(rows), "name": f"{kind} {name}", "cuisine": cuisine, "district": district})
    return rows


def hour_fit():
    """[24, cuisines]: how well an hour suits a cuisine, as an addition to the log-odds."""
    fit = np.zeros((HOURS, len(CUISINES)))
    names = list(CUISINES)
    for hour in range(HOURS):
        morning, late = 6 <= hour < 11, hour >= 22 or hour < 4
        meal = 11 <= hour < 15 or 18 <= hour < 22
        for i, name in enumerate(names):
            if name == "café":
                fit[hour, i] = 3.0 if morning else (0.5 if 14 <= hour < 18 else -1.5)
            elif name == "bar":
                fit[hour, i] = 3.0 if late else -1.5
            else:
                fit[hour, i] = 1.0 if meal else -1.0
    return fit


def visits():
    """(train, test): int arrays [n, 4] of user, last restaurant, hour, next restaurant.

    The last nine visits of every guest are held out; no model sees them before it is measured.
    """
    rng = np.random.default_rng(SEED + 1)
    places = restaurants()
    cuisine = np.array([list(CUISINES).index(p["cuisine"]) for p in places])
    district = np.array([DISTRICTS.index(p["district"]) for p in places])
    charm = rng.normal(0, 0.6, len(places))
    fit = hour_fit()
    hours = np.array([7, 8, 9, 12, 12, 13, 13, 15, 18, 19, 19, 20, 20, 21, 22, 23, 0])
    train, test = [], []
    for user in range(GUESTS):
        taste = rng.normal(0, 1.3, len(CUISINES))
        favourite = rng.normal(0, 0.5, len(places))
        last = int(rng.integers(len(places)))
        for visit in range(VISITS):
            hour = int(hours[rng.integers(len(hours))])
            near = (district == district[last]).astype(np.float64)
            lunch = 11 <= hour < 15
            odds = charm + favourite + fit[hour, cuisine]
            odds += (0.6 if lunch else 1.6) * taste[cuisine]
            odds += near * (3.0 if lunch else 0.5)
            odds[last] -= 3.0  # nobody eats at the same table twice in a row
            chance = np.exp(odds - odds.max())
            chance /= chance.sum()
            chosen = int(np.searchsorted(np.cumsum(chance), rng.random()))
            chosen = min(chosen, len(places) - 1)
            (train if visit < VISITS - 9 else test).append((user, last, hour, chosen))
            last = chosen
    return np.array(train), np.array(test)
