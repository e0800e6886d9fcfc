"""What the tests of the desk's pages share beside `billing.tests.my.pages`: the form that a page is about."""

from lxml import html

from portico.billing.tests.my.pages import Answer


def main_form(response: Answer) -> dict[str, str]:
    """What the first form of the page's own part would send by POST if nothing was touched."""
    for form in html.fromstring(response.content.decode()).xpath("//main//form[@method='post']"):
        return dict(form.form_values())
    raise AssertionError("the page has no form to post")
