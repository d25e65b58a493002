"""The files, folders and pages of other tests, for processes and browsers."""

from tests.cli.conftest import taken as taken
from tests.recommender.exploring.conftest import folder as folder
from tests.recommender.exploring.conftest import found as found
from tests.recommender.exploring.conftest import page_file as page_file
from tests.recommender.exploring.conftest import recommender as recommender
