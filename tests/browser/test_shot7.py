from tests.browser.conftest import *
from tests.browser.test_figures import a_month_of_work
def test_shot(enter, a_month_of_work):
    for name, vp in (("laptop", LAPTOP), ("phone", PHONE)):
        p = enter(viewport=vp)
        p.goto("/figures")
        p.locator("#cases summary").click()
        p.screenshot(path=f"/tmp/shot7-{name}.png", full_page=True)
        print(p.evaluate("""[...document.querySelectorAll('*')].filter(e=>e.getBoundingClientRect().right>document.documentElement.clientWidth+1).slice(0,12).map(e=>e.tagName+'.'+e.className.baseVal+'/'+e.className+'#'+e.id+' '+e.getBoundingClientRect().right)"""))
