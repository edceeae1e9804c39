"""Cities by their time zones: capitals of Russia's regions, Russian cities of about 100,000 people and more, and those
of Kazakhstan, whose numbers begin with 7 too. A name that two of them have in different zones is not here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

_ZONES: Final[Mapping[str, str]] = {
    "Europe/Kaliningrad": "Калининград",
    "Europe/Moscow": "Москва, Санкт-Петербург, СПб, Питер, Архангельск, Белгород, Брянск, Великий Новгород,"
    " Владикавказ, Владимир, Вологда, Воронеж, Гатчина, Грозный, Иваново, Йошкар-Ола, Казань, Калуга, Кострома,"
    " Краснодар, Курск, Липецк, Магас, Майкоп, Махачкала, Мурманск, Нальчик, Нарьян-Мар, Нижний Новгород, Орёл, Пенза,"
    " Петрозаводск, Псков, Ростов-на-Дону, Рязань, Саранск, Смоленск, Ставрополь, Сыктывкар, Тамбов, Тверь, Тула,"
    " Чебоксары, Черкесск, Элиста, Ярославль, Альметьевск, Анапа, Арзамас, Армавир, Балашиха, Батайск, Волгодонск,"
    " Воркута, Геленджик, Дербент, Дзержинск, Долгопрудный, Домодедово, Елец, Ессентуки, Жуковский, Зеленоград,"
    " Каспийск, Кисловодск, Ковров, Коломна, Королёв, Красногорск, Люберцы, Муром, Мытищи, Набережные Челны, Назрань,"
    " Невинномысск, Нижнекамск, Новомосковск, Новороссийск, Новочебоксарск, Новочеркасск, Новошахтинск, Ногинск,"
    " Обнинск, Одинцово, Орехово-Зуево, Подольск, Пушкино, Пятигорск, Раменское, Ростов, Рыбинск, Северодвинск,"
    " Сергиев Посад, Серпухов, Сочи, Старый Оскол, Таганрог, Ухта, Хасавюрт, Химки, Череповец, Шахты, Щёлково,"
    " Электросталь, Н Новгород, Saint Petersburg, St Petersburg, Rostov-on-Don, Moscow",
    "Europe/Simferopol": "Симферополь, Севастополь, Евпатория, Керчь, Ялта",
    "Europe/Kirov": "Киров",
    "Europe/Volgograd": "Волгоград, Волжский, Камышин",
    "Europe/Astrakhan": "Астрахань",
    "Europe/Samara": "Самара, Ижевск, Новокуйбышевск, Сызрань, Тольятти, Togliatti",
    "Europe/Saratov": "Саратов, Балаково, Энгельс",
    "Europe/Ulyanovsk": "Ульяновск, Димитровград",
    "Asia/Yekaterinburg": "Екатеринбург, Курган, Оренбург, Пермь, Салехард, Тюмень, Уфа, Ханты-Мансийск, Челябинск,"
    " Березники, Златоуст, Каменск-Уральский, Копейск, Магнитогорск, Миасс, Нефтекамск, Нефтеюганск, Нижневартовск,"
    " Нижний Тагил, Новый Уренгой, Ноябрьск, Орск, Первоуральск, Салават, Серов, Стерлитамак, Сургут, Тобольск",
    "Asia/Omsk": "Омск",
    "Asia/Barnaul": "Барнаул, Горно-Алтайск, Бийск, Рубцовск",
    "Asia/Krasnoyarsk": "Красноярск, Абакан, Кызыл, Ачинск, Канск, Норильск",
    "Asia/Novokuznetsk": "Кемерово, Ленинск-Кузнецкий, Междуреченск, Новокузнецк, Прокопьевск",
    "Asia/Novosibirsk": "Новосибирск, Бердск",
    "Asia/Tomsk": "Томск, Северск",
    "Asia/Irkutsk": "Иркутск, Улан-Удэ, Ангарск, Братск, Усть-Илимск",
    "Asia/Chita": "Чита",
    "Asia/Yakutsk": "Якутск, Благовещенск, Нерюнгри",
    "Asia/Vladivostok": "Владивосток, Хабаровск, Биробиджан, Артём, Комсомольск-на-Амуре, Находка, Уссурийск",
    "Asia/Magadan": "Магадан",
    "Asia/Sakhalin": "Южно-Сахалинск",
    "Asia/Kamchatka": "Петропавловск-Камчатский",
    "Asia/Anadyr": "Анадырь",
    "Asia/Almaty": "Алматы, Алма-Ата, Астана, Нур-Султан, Караганда, Кокшетау, Павлодар, Семей, Талдыкорган, Тараз,"
    " Туркестан, Усть-Каменогорск, Шымкент",
    "Asia/Aqtau": "Актау",
    "Asia/Aqtobe": "Актобе",
    "Asia/Atyrau": "Атырау",
    "Asia/Oral": "Уральск",
    "Asia/Qostanay": "Костанай",
    "Asia/Qyzylorda": "Кызылорда",
}
_LATIN: Final = str.maketrans(
    {
        "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "y",
        "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
        "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu",
        "я": "ya",
    }
)  # fmt: skip
_ALIKE: Final = (
    ("[^a-z]", ""), ("shch|sch", "sh"), ("kh", "h"), ("ts|tz", "c"), ("y[eo]|jo", "e"), ("[yj]", "i"), ("i+", "i"),
    ("x", "ks"),
)  # fmt: skip
"""What people write in several ways: ``Yekaterinburg``, ``Ekaterinburg``; ``Nizhny``, ``Nizhniy``, ``Nizhnij``."""
_NAME: Final = re.compile(r"[^\W\d_]+(?:[ .'’-]+[^\W\d_]+)*")


def zone_of_city(name: str) -> str | None:
    """Return the time zone of a city, whose name is in Russian or Latin letters, with dashes or without."""
    return _by_sound().get(_sound(name)) if _NAME.fullmatch(name) else None


def _sound(name: str) -> str:
    sound = name.casefold().translate(_LATIN)
    for pattern, alike in _ALIKE:
        sound = re.sub(pattern, alike, sound)
    return sound


@cache
def _by_sound() -> Mapping[str, str]:
    return {_sound(city): zone for zone, cities in _ZONES.items() for city in cities.split(", ")}
