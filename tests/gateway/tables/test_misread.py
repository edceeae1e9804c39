"""gateway/tables/misread.py: texts that are Windows-1251 pass, those of other encodings are found out."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.tables.misread import misread

RIGHT = """
МТС|«Новые клиенты»|iPhone-клиенты|VIP клиент|"Tele2-абоненты"|ООО «Ромашка»|ООО «ТД „Прогресс“»|СПб|ТЦ Мега|ТЦ МЕГА
кВт|5 кВт·ч|дБ|рН|Иванов И. И.|Иванов И.И.|А. С. Пушкин|С.-Петербург|Санкт-Петербург|Йошкар-Ола|Нижний Новгород
ВДНХ|ГИБДД|МГИМО|РЖД|ЖКХ|МЧС|СНГ|ЦСКА|НДФЛ|КПСС|ФСБ|ГЛОНАСС|СНИЛС|ЕГРЮЛ|ВГТРК|СССР|США|ВТБ|ЧОП|ТТК|КФХ|ЧП|СПбГУ
УрФУ|КамАЗ|МегаФон|ВкусВилл|УралСиб|ЮниКредит|АвтоВАЗ|ЗиЛ|МиГ|СберБанк|Т2|1С|1С:Бухгалтерия|1С-Битрикс|Альфа-Банк
ГБОУ СОШ № 5|№5|А-1|24/7|скидка 10%|скидка –30 %|100 €|акция «Чёрная пятница»|клиенты (VIP)|новый_клиент|VIP и Gold
ёлка|Ёлки|съёмка|подъезд|объявление|Щёлково|Эльбрус|Яна|я|и|с НДС|Хюндай|Мюллер|Шри-Ланка|Оймякон|Айгуль|Кыргызстан
Wi-Fi|e-mail рассылка|ул. Щорса|г. Омск|Дом.ру|Мск|спб|ЕКБ|тест|ТЕСТ|абв|акция… и другие|— сын|д'Артаньян|Київ|Львів
МБДОУ № 5 «Солнышко»|Тбилиси|Йемен|др|ЧС
"""
FOREIGN = """
Müller Jürgen Größe Straße Schön Löwe Bäcker Zoé Émile François Noël Hélène Café Über Ångström Øre Ñandú
"""


@pytest.mark.parametrize("tag", RIGHT.strip().replace("\n", "|").split("|"))
def test_tags_as_people_have_them_look_right(tag: str) -> None:
    assert tag.encode("cp1251").decode("cp1251") == tag
    assert misread(tag) is None


@pytest.mark.parametrize("name", FOREIGN.split())
def test_names_of_windows_1252_are_words_of_two_alphabets(name: str) -> None:
    wrong = name.encode("cp1252").decode("cp1251")
    assert misread(wrong) == wrong
    assert misread(f"VIP {wrong}, 5") == wrong


@pytest.mark.parametrize(
    ("tag", "encoding"),
    [
        *(("Новый", "koi8-r"), ("новые клиенты", "koi8-r"), ("НОВЫЕ КЛИЕНТЫ", "koi8-r"), ("Москва", "koi8-r")),
        *(("Новый", "cp866"), ("новые клиенты", "cp866"), ("НОВЫЕ КЛИЕНТЫ", "cp866"), ("«Москва»", "cp1251")),
        *(("Новый", "mac-cyrillic"), ("новая акция", "mac-cyrillic"), ("НОВЫЕ", "mac-cyrillic")),
        *(("Новый", "iso-8859-5"), ("новые клиенты", "iso-8859-5"), ("НОВЫЕ КЛИЕНТЫ", "iso-8859-5")),
    ],
)
def test_russian_of_another_encoding_looks_wrong(tag: str, encoding: str) -> None:
    wrong = tag.encode(encoding).decode("cp1251")
    assert (misread(wrong) is not None) == (encoding != "cp1251")


WORDS = """
абонент август адрес акция анкета апрель аптека база банк бизнес билет бонус борода бюджет вагон весна вечер вопрос
восток врач время встреча выбор вывоз газета гараж город гость группа дача девушка декабрь дерево деньги день доставка
договор долг должник дорога друг еженедельный женщина жилой завод заказ заявка звонок здание здоровье зима золото
игрушка известие инженер интерес июнь кабинет карта касса квартира клиент клуб книга колесо комната конец корзина корпус
кредит крыша купон лекарство лето линия лист магазин март мастер мебель месяц метро молоко море мужчина музыка набор
налог неделя новинка новый номер обед область обувь ожидание окно онлайн опрос осень отдел отзыв отпуск офис оплата
очередь пакет партнёр парк пенсия письмо питание повторный погода подарок покупатель поликлиника полис портал постоянный
поставка почта поезд праздник премия приём природа программа продажа продукт просрочка работа размер район распродажа
рассылка регион ремонт ресторан розница рынок салон сайт сервис северный семья сентябрь скидка склад служба событие
сотрудник союз спасибо спорт справка среда срочный станция статус страховка студент сумма суббота счёт такси тариф театр
телефон техника товар торговля туризм тренер улица услуга утро ученик февраль фирма филиал хлеб ходить хозяйство цвет
цена центр цифра часы человек чистка школа шина шоколад шторы щётка экзамен электрик юбилей юрист ягода январь ярмарка
""".split()  # noqa: SIM905
CASES = (str.lower, str.capitalize, str.upper)
ENCODINGS = ("koi8-r", "cp866", "mac-cyrillic", "iso-8859-5")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_nearly_every_word_of_another_encoding_looks_wrong(encoding: str) -> None:
    for cases, share in (((str.lower, str.capitalize), 0.95), ((str.upper,), 0.9)):
        read = [(word, as_read(word, encoding)) for each in WORDS for word in (case(each) for case in cases)]
        other = [wrong for word, wrong in read if wrong != word]
        assert sum(wrong is None or misread(wrong) is not None for wrong in other) >= share * len(other)


def as_read(text: str, encoding: str) -> str | None:
    """What Windows-1251 makes of it; None: it has no such byte."""
    try:
        return text.encode(encoding).decode("cp1251")
    except UnicodeDecodeError:
        return None


def test_hardly_any_russian_word_looks_wrong() -> None:
    assert [word for each in WORDS for case in CASES if misread(word := case(each)) is not None] == []


@given(st.lists(st.sampled_from(WORDS), min_size=3, max_size=5), st.sampled_from(CASES), st.sampled_from(ENCODINGS))
@example(["абонент", "абонент", "ягода"], str.lower, "mac-cyrillic")
def test_some_words_together_are_always_told_apart(words: list[str], case: type[str], encoding: str) -> None:
    text = " ".join(map(case, words))
    assert misread(text) is None
    wrong = as_read(text, encoding)
    assert wrong is None or _may_be_meant(wrong, text) or misread(wrong) is not None


def _may_be_meant(wrong: str, text: str) -> bool:
    """A я at the beginning is a Я in Mac Cyrillic, which may be a name's."""
    pairs = zip(wrong.split(" "), text.split(" "), strict=True)
    return all(became in (word, word.capitalize()) for became, word in pairs)


@given(st.binary(max_size=128))
def test_any_bytes_are_judged(raw: bytes) -> None:
    text = raw.decode("cp1251", errors="ignore")
    found = misread(text)
    assert found is None or (found and found in text.replace("«", "").replace("»", "")) or found in text
