"""The fault table: what goes wrong, what is promised, and how each promise is removed again.

A mutation edits the source so that a promised behaviour is gone; its tests must fail then. Where
two defences hold one promise, the mutation removes both. `fault_table` applies them.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["ROWS", "Edit", "Mutation", "Row"]


@dataclass(frozen=True)
class Edit:
    """One replacement in a source file.

    Attributes:
        file: Its path below the root.
        old: Text that occurs there exactly once.
        new: What takes its place.
    """

    file: str
    old: str
    new: str


class Mutation:
    """A change that removes one promised behaviour.

    Attributes:
        what: What the server does then.
        tests: Node ids of pytest; each must fail then.
        edits: The change.
    """

    def __init__(self, what: str, tests: tuple[str, ...], *edits: Edit) -> None:
        self.what = what
        self.tests = tests
        self.edits = edits


class Row:
    """A row of the table.

    Attributes:
        number: From 1 on.
        fault: What goes wrong.
        promise: What happens then.
        mutations: The most dangerous ways to break the promise.
    """

    def __init__(self, number: int, fault: str, promise: str, *mutations: Mutation) -> None:
        self.number = number
        self.fault = fault
        self.promise = promise
        self.mutations = mutations

    @property
    def tests(self) -> list[str]:
        """Node ids of all tests that hold the promise, each once."""
        return list(dict.fromkeys(test for mutation in self.mutations for test in mutation.tests))


def name_tests(file: str, function: str, *cases: str) -> tuple[str, ...]:
    """Node ids of some cases of a test; without cases that of the test, one of which must fail."""
    whole = f"tests/{file}::{function}"
    return tuple(f"{whole}[{case}]" for case in cases) or (whole,)


ANSWERS: Final = "minimax/api/answers.py"
BACKGROUND: Final = "minimax/runtime/background.py"
BUY_ONCE: Final = "minimax/spending/buy_once.py"
CLIENT: Final = "minimax/api/client.py"
CLOCK: Final = "minimax/clock.py"
CLONE: Final = "minimax/voice/clone.py"
CODES: Final = "minimax/api/error_codes.py"
DELIVERY: Final = "minimax/delivery.py"
DESCRIPTORS: Final = "minimax/files/descriptors.py"
DOWNLOAD: Final = "minimax/video/download.py"
INPUTS: Final = "minimax/files/inputs.py"
JOB: Final = "minimax/jobs/job.py"
LEDGER: Final = "minimax/ledger/sqlite.py"
LINKS: Final = "minimax/api/signed_links.py"
LOGS: Final = "minimax/logs.py"
OUTPUTS: Final = "minimax/files/outputs.py"
PATHS: Final = "minimax/files/paths.py"
POLICIES: Final = "minimax/api/policies.py"
PROBE: Final = "minimax/files/probe.py"
RECORDS: Final = "minimax/ledger/records.py"
REPLIES: Final = "minimax/api/replies.py"
REQUIREMENTS: Final = "minimax/files/requirements.py"
RESPONSES: Final = "minimax/api/responses.py"
RETRY: Final = "minimax/api/retry.py"
RUNTIME: Final = "minimax/runtime/per_loop.py"
SAFE_TEXT: Final = "minimax/safe_text.py"
SETTINGS: Final = "minimax/settings.py"
STRICT_TOOL: Final = "minimax/protocol/strict_tool.py"
TRANSPORT: Final = "minimax/api/transport.py"
WAITING: Final = "minimax/jobs/waiting.py"

IN_ANSWERS: Final = "api/test_answers.py"
IN_CLIENT: Final = "api/test_client.py"
IN_FAULTS: Final = "api/test_faults.py"
IN_FILES: Final = "files/test_inputs_and_outputs.py"
IN_LINKS: Final = "api/test_links.py"
IN_TOOLS: Final = "test_tools.py"

CERTIFICATE: Final = "test_a_certificate_that_cannot_be_verified_is_an_error_at_once"
DOUBT: Final = "test_a_submission_of_unknown_outcome_is_sent_once_and_the_doubt_is_told"
THROTTLED: Final = "test_a_throttled_submission_waits_as_asked_and_buys_one_video"
REFUSAL: Final = "test_a_refusal_is_one_try_and_says_what_to_do"
GIVEN_UP: Final = "test_an_id_that_comes_after_the_host_gave_up_is_in_the_ledger_and_on_stderr"
KILLED: Final = "test_a_server_killed_between_send_and_reply_is_remembered_as_submitting"
OWN_CONNECTION: Final = "test_every_submission_has_a_connection_of_its_own"
TEN_WAITS: Final = "test_ten_waits_that_are_throttled_for_half_a_minute_all_recover"
EXPIRED: Final = "test_an_expired_link_is_renewed_once"
CUT: Final = "test_a_download_that_is_cut_begins_again_and_only_the_whole_file_is_saved"
DRIP: Final = "test_a_download_that_drips_is_ended_by_its_deadline_and_leaves_nothing_behind"
CHECKED_SIZE: Final = "test_the_bytes_that_leave_are_those_of_the_checked_size"
QUOTED: Final = "test_what_minimax_says_is_quoted_as_one_harmless_line"
SECRETS: Final = "test_neither_key_nor_signature_gets_out_of_a_failure"
ARGUMENT: Final = "test_a_wrong_argument_is_named_in_our_own_words_and_nothing_is_sent"

UNLINK_PART: Final = Edit(
    OUTPUTS, "os.unlink(self._at(self._name), dir_fd=self._folder_fd)", "pass"
)
"""What came of a file stays beside its place."""
FOLLOW_FOLDERS: Final = Edit(DESCRIPTORS, '    | getattr(os, "O_NOFOLLOW", 0)\n', "")
FOLLOW_FILES: Final = Edit(DESCRIPTORS, '"O_NOFOLLOW", "O_NONBLOCK"', '"O_NONBLOCK"')
"""Links are followed where a file is opened; the other one: where a folder on the way is."""
LOG_EVERYTHING: Final = Edit(LOGS, ".setLevel(logging.WARNING)", ".setLevel(logging.DEBUG)")
NOTHING_HUSHED: Final = Edit(LOGS, "return not _sends_ours.get()", "return True")
NOTHING_REDACTED: Final = Edit(
    LOGS,
    """        text = redact(super().format(record))
        for key_filter in self._key_filters:
            text = key_filter.scrub(text)
        return text
""",
    "        return super().format(record)\n",
)

ROWS: Final = (
    # --- a submission that was not sent --------------------------------------------------------
    Row(
        1,
        "The connection for a submission is refused twice.",
        "The third try is accepted, and one video is bought.",
        Mutation(
            "gives up after a connection that was refused",
            name_tests(
                IN_FAULTS, "test_a_connection_refused_twice_is_tried_again_and_buys_one_video"
            ),
            Edit(POLICIES, '"submit", retries_on=_SAFE', '"submit", retries_on=frozenset()'),
        ),
    ),
    Row(
        2,
        "The name of the API host cannot be looked up.",
        "After three tries and less than 15 seconds, an error names the setting.",
        Mutation(
            "tries thirty times",
            name_tests(
                IN_FAULTS, "test_a_name_that_cannot_be_resolved_ends_soon_and_names_the_setting"
            ),
            Edit(
                POLICIES,
                '"submit", retries_on=_SAFE, attempts=3',
                '"submit", retries_on=_SAFE, attempts=30',
            ),
        ),
    ),
    Row(
        3,
        "The certificate of the API host is not valid.",
        "Nothing is sent, and it is not tried again.",
        Mutation(
            "connects without verification",
            name_tests(IN_FAULTS, CERTIFICATE),
            Edit(TRANSPORT, "verify=self._tls", "verify=False"),
        ),
        Mutation(
            "tries again, as after any connection that failed",
            name_tests(IN_FAULTS, CERTIFICATE),
            Edit(
                TRANSPORT,
                'proxy in between.",\n            outcome=Outcome.REJECTED,',
                'proxy in between.",\n            outcome=Outcome.NOT_SENT,',
            ),
        ),
    ),
    # --- a submission whose outcome is not known -----------------------------------------------
    Row(
        4,
        "The connection is reset after a submission was sent.",
        "It is not sent again, and the ledger says that it is in doubt.",
        Mutation(
            "sends a submission in doubt again",
            name_tests(IN_FAULTS, DOUBT, "04-reset", "04-closed"),
            Edit(POLICIES, '"submit", retries_on=_SAFE', '"submit", retries_on=_ALL'),
        ),
        Mutation(
            "writes down that it was refused",
            name_tests(IN_FAULTS, DOUBT, "04-reset"),
            Edit(
                BUY_ONCE,
                "State.UNKNOWN)\n            probable =",
                "State.REJECTED)\n            probable =",
            ),
        ),
    ),
    Row(
        5,
        "The answer to a submission never comes.",
        "It is not sent again, and the error says that it may have been charged.",
        Mutation(
            "takes silence for a connection that failed, and sends again",
            name_tests(IN_FAULTS, DOUBT, "05-silence"),
            Edit(
                TRANSPORT,
                "httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout",
                "httpx.ConnectError | httpx.TimeoutException",
            ),
        ),
    ),
    Row(
        6,
        "The answer to a submission is cut off, or is not JSON.",
        "It is not sent again, and the error says that it may have been charged.",
        Mutation(
            "takes an answer that cannot be read for none, and sends again",
            name_tests(IN_FAULTS, DOUBT, "06-cut-without-length", "06-no-JSON", "06-no-object"),
            Edit(
                RESPONSES,
                'should hold. Call again.",\n        outcome=Outcome.UNKNOWN,',
                'should hold. Call again.",\n        outcome=Outcome.NOT_SENT,',
            ),
        ),
        Mutation(
            "lets the error of the JSON parser out",
            name_tests(IN_FAULTS, DOUBT, "06-cut-without-length", "06-no-JSON"),
            Edit(
                RESPONSES,
                "except ValueError:\n            return None\n        return _Scrubber",
                "except ValueError:\n            raise\n        return _Scrubber",
            ),
        ),
    ),
    Row(
        7,
        "A submission is accepted without a task id.",
        "It is not sent again, and the error says that it may have been charged.",
        Mutation(
            "takes an answer without a task id for an acceptance",
            name_tests(IN_FAULTS, DOUBT, "07-no-task-id", "07-empty-task-id", "07-null-task-id"),
            Edit(REPLIES, "return bool(self.task_id)", "return True"),
        ),
    ),
    Row(
        8,
        "A submission is answered with 500, 502, 503 or 504.",
        "It is not sent again, and the error says that it may have been charged.",
        Mutation(
            "sends again after a server error",
            name_tests(IN_FAULTS, DOUBT, "08-500", "08-502", "08-503", "08-504"),
            Edit(
                RESPONSES,
                "    if status == HTTPStatus.TOO_MANY_REQUESTS:\n",
                "    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500:\n",
            ),
        ),
        Mutation(
            "says that nothing was charged",
            name_tests(IN_FAULTS, DOUBT, "08-500", "08-502", "08-503", "08-504"),
            Edit(RESPONSES, " or status >= HTTPStatus.INTERNAL_SERVER_ERROR", ""),
        ),
    ),
    # --- a submission that is refused ----------------------------------------------------------
    Row(
        9,
        "A submission is throttled, with Retry-After.",
        "It waits as long as it was asked to, is sent three times at most, and buys one video.",
        Mutation(
            "does not wait as asked",
            name_tests(IN_FAULTS, THROTTLED, "HTTP-429", "1002"),
            Edit(RETRY, "if error.retry_after_seconds is not None:", "if False:"),
        ),
        Mutation(
            "tries until the deadline",
            name_tests(
                IN_FAULTS, "test_a_submission_that_stays_throttled_is_given_up_after_three_tries"
            ),
            Edit(RETRY, "state.attempt_number >= self._policy.attempts", "False"),
        ),
    ),
    Row(
        10,
        "Retry-After asks for an hour, for -1, for 10^40 or for a word.",
        "An hour is reported, not waited for; a value that makes no sense is ignored.",
        Mutation(
            "sleeps for an hour",
            name_tests(IN_FAULTS, "test_a_wait_of_an_hour_is_told_and_not_slept_through"),
            Edit(RETRY, "return too_long or ", "return "),
        ),
        Mutation(
            "believes any number",
            name_tests(
                IN_FAULTS,
                "test_a_wait_that_makes_no_sense_is_ignored",
                "-1",
                "1" + "0" * 40,
                "1e999",
            ),
            Edit(RESPONSES, " and 0 < seconds <= LONGEST_BELIEVED_WAIT_SECONDS", ""),
        ),
    ),
    Row(
        11,
        "A submission is refused: no balance, or a wrong key.",
        "It is sent once, and each error says its own next step.",
        Mutation(
            "tries again without a balance",
            name_tests(IN_FAULTS, REFUSAL, "11-balance"),
            Edit(
                CODES,
                'nothing was started and nothing charged.",\n            _REJECTED,',
                'nothing was started and nothing charged.",\n            _THROTTLED,',
            ),
        ),
        Mutation(
            "does not tell a refused key from other refusals",
            name_tests(IN_FAULTS, REFUSAL, "11-key-1004", "11-key-2049"),
            Edit(RESPONSES, "return code in KEY_CODES or (", "return ("),
        ),
    ),
    Row(
        12,
        "A submission is refused by the content check.",
        "It is sent once, and the error says to change the prompt.",
        Mutation(
            "tries again with the same prompt",
            name_tests(IN_FAULTS, REFUSAL, "12-input"),
            Edit(
                CODES,
                'content check refused the input.",\n            _REJECTED,',
                'content check refused the input.",\n            _THROTTLED,',
            ),
        ),
        Mutation(
            "calls it a doubt",
            name_tests(IN_FAULTS, REFUSAL, "12-output"),
            Edit(
                CODES,
                'content check blocked the result.",\n            _REJECTED,',
                'content check blocked the result.",\n            _UNKNOWN,',
            ),
        ),
    ),
    # --- a caller or a server that is gone -----------------------------------------------------
    Row(
        13,
        "The host cancels a call while its submission is being sent.",
        "The submission continues; the task id is in the ledger and on stderr.",
        Mutation(
            "cancels the submission with its call",
            name_tests(IN_FAULTS, GIVEN_UP),
            Edit(BACKGROUND, "await _wait_for_end(task, tick)", "await task"),
        ),
        Mutation(
            "does not write the task id to stderr",
            name_tests(IN_FAULTS, GIVEN_UP),
            Edit(BUY_ONCE, "partial(_log_late_acceptance, purchase)", "bool"),
        ),
    ),
    Row(
        14,
        "The same video is requested again, after a doubt or after a cancelled call.",
        "After a doubt it is refused; a job that was accepted is returned.",
        Mutation(
            "buys again after a doubt",
            name_tests(
                IN_FAULTS, "test_after_a_doubt_the_same_call_is_refused_and_names_the_attempt"
            ),
            Edit(RECORDS, "return Decision.REFUSE", "return None"),
        ),
        Mutation(
            "buys again what nobody was told of",
            name_tests(
                "spending/test_buy_once.py",
                "test_a_job_whose_call_was_cancelled_goes_to_the_next_identical_call",
            ),
            Edit(RECORDS, "State.ACCEPTED: Decision.HAND_OVER, ", ""),
        ),
    ),
    Row(
        15,
        "The server is killed between a submission and its answer.",
        "The ledger has recorded it, and the next server refuses the same request.",
        Mutation(
            "writes nothing down before it sends",
            name_tests(IN_FAULTS, KILLED),
            Edit(LEDGER, '"state": State.SUBMITTING.value,', '"state": State.REJECTED.value,'),
        ),
        Mutation(
            "takes what a killed server was sending for refused",
            name_tests(IN_FAULTS, KILLED),
            Edit(LEDGER, '(State.UNKNOWN.value, row["key"])', '(State.REJECTED.value, row["key"])'),
        ),
    ),
    # --- the connection ------------------------------------------------------------------------
    Row(
        16,
        "MiniMax has closed a connection that was kept open.",
        "A submission has a connection of its own and is accepted once.",
        Mutation(
            "submits over a connection that was kept open",
            name_tests(IN_FAULTS, "test_a_connection_that_went_stale_is_not_used_for_a_submission")
            + name_tests(IN_FAULTS, OWN_CONNECTION),
            Edit(CLIENT, "self._pools.submissions if endpoint.fresh_connection else ", ""),
        ),
        Mutation(
            "keeps the connections of submissions open",
            name_tests(IN_FAULTS, OWN_CONNECTION),
            Edit(TRANSPORT, '"submissions", kept_alive=0', '"submissions", kept_alive=20'),
        ),
    ),
    Row(
        17,
        "The API host answers with a redirect.",
        "It is an error, and nothing goes anywhere else.",
        Mutation(
            "follows redirects",
            name_tests(
                IN_FAULTS,
                "test_a_redirect_is_an_error_and_the_key_goes_nowhere_else",
                *("301", "302", "307", "308"),
            ),
            Edit(TRANSPORT, "follow_redirects=False", "follow_redirects=True"),
        ),
    ),
    # --- asking about a job --------------------------------------------------------------------
    Row(
        18,
        "Three status queries of a job are answered with 502.",
        "The wait continues to the end of the job.",
        Mutation(
            "ends the wait at the first failure",
            name_tests(IN_FAULTS, "test_three_bad_gateways_do_not_end_a_wait"),
            Edit(POLICIES, '"status", retries_on=_ALL', '"status", retries_on=_SAFE'),
            Edit(WAITING, "TOLERATED_FAILURES: Final = 5", "TOLERATED_FAILURES: Final = 0"),
        ),
    ),
    Row(
        19,
        "MiniMax gives a job a status that is not known here.",
        "The job counts as running, and the status is shown unchanged.",
        Mutation(
            "takes a word that it does not know for the end of the job",
            name_tests(
                IN_FAULTS, "test_a_word_never_seen_counts_as_running_and_is_shown_as_it_came"
            ),
            Edit(REPLIES, 'word.lower(), "processing")', 'word.lower(), "failed")'),
        ),
    ),
    Row(
        20,
        "A job fails, is cancelled or expires.",
        "That is reported at once with the reason, and MiniMax is not asked again.",
        Mutation(
            "goes on asking about a job that has failed",
            name_tests(
                IN_FAULTS,
                "test_the_end_of_a_job_is_told_at_once_and_never_asked_for_again",
                *("Fail-0-MiniMax gave no reason", "cancelled-0-cancelled", "EXPIRED-0-expired"),
            ),
            Edit(REPLIES, 'in ("completed", "failed")', 'in ("completed",)'),
        ),
    ),
    Row(
        21,
        "A job does not end while a call waits for it.",
        "The call is answered normally before 50 seconds.",
        Mutation(
            "waits until the host gives up",
            name_tests(
                IN_FAULTS, "test_a_job_that_never_ends_is_a_normal_answer_before_50_seconds"
            ),
            Edit(WAITING, "self._started + wait_seconds", "self._started + 600"),
            Edit(WAITING, "timeout(wait_seconds + ASK_GRACE_SECONDS)", "timeout(600)"),
        ),
    ),
    Row(
        22,
        "The status queries of ten jobs are throttled for half a minute.",
        "They are sent less often, and all waits continue to the end.",
        Mutation(
            "ends a wait that is throttled",
            name_tests("video/test_job.py", TEN_WAITS),
            Edit(
                WAITING,
                "if error.outcome is Outcome.REJECTED or self",
                "if error.outcome is not Outcome.UNKNOWN or self",
            ),
        ),
        Mutation(
            "asks again and again without a pause",
            name_tests("video/test_job.py", TEN_WAITS),
            Edit(
                RETRY, "return self._clock.jitter(0, min(", "return self._clock.jitter(0, 0 * min("
            ),
            Edit(JOB, "self.clock.now() + await self._next_pause()", "self.clock.now() + 0.5"),
            Edit(WAITING, "TOLERATED_FAILURES: Final = 5", "TOLERATED_FAILURES: Final = 1000"),
        ),
    ),
    Row(
        23,
        "A call is cancelled while it waits for a job.",
        "It ends at once, and nothing is left running.",
        Mutation(
            "swallows the cancellation and answers",
            name_tests(
                IN_FAULTS, "test_a_cancelled_wait_ends_within_a_tick_and_leaves_nothing_running"
            ),
            Edit(
                WAITING,
                "            await self._job.wait_until_due(until=min(self._end, report_at))\n",
                "            try:\n"
                "                await self._job.wait_until_due(until=min(self._end, report_at))\n"
                "            except asyncio.CancelledError:\n"
                "                return self.reply\n",
            ),
        ),
        Mutation(
            "takes a cancellation for a failure that may be repeated",
            name_tests("api/test_retry.py", "test_cancellation_is_never_swallowed_nor_repeated"),
            Edit(
                RETRY,
                "return isinstance(error, MiniMaxError) and error",
                "return not isinstance(error, MiniMaxError) or error",
            ),
        ),
    ),
    Row(
        24,
        "A finished job names no file yet, or MiniMax does not know its file for 20 seconds.",
        "MiniMax is asked again for a while; after that, an error contains the task id.",
        Mutation(
            "gives up when no file is named",
            name_tests(IN_FAULTS, "test_a_file_that_is_named_a_moment_later_is_found"),
            Edit(JOB, "FILE_ID_TRIES: Final = 3", "FILE_ID_TRIES: Final = 1"),
        ),
        Mutation(
            "gives up when the file is not known",
            name_tests(IN_FAULTS, "test_a_file_that_is_not_found_for_20_seconds_is_waited_for"),
            Edit(DOWNLOAD, "FILE_SETTLES_SECONDS: Final = 30.0", "FILE_SETTLES_SECONDS: Final = 0"),
        ),
        Mutation(
            "forgets which job it was",
            name_tests(IN_FAULTS, "test_a_file_that_is_never_named_is_an_error_that_keeps_the_job"),
            Edit(
                JOB,
                'same task_id.",\n            outcome=Outcome.UNKNOWN,\n'
                "            task_id=self.task_id,\n",
                'same task_id.",\n            outcome=Outcome.UNKNOWN,\n',
            ),
        ),
    ),
    # --- downloading ---------------------------------------------------------------------------
    Row(
        25,
        "The link to a video has expired.",
        "One new link is requested; nothing is generated again.",
        Mutation(
            "uses the expired link again",
            name_tests(IN_TOOLS, EXPIRED),
            Edit(DELIVERY, "    link.forget()\n", ""),
        ),
        Mutation(
            "tries the expired link three times",
            name_tests(IN_TOOLS, EXPIRED),
            Edit(
                LINKS,
                'download link has expired.",\n            outcome=Outcome.REJECTED,',
                'download link has expired.",\n            outcome=Outcome.UNKNOWN,',
            ),
        ),
    ),
    Row(
        26,
        "A download is cut off, with or without an announced length.",
        "It is tried three times at most, and only a complete file gets its name.",
        Mutation(
            "publishes a part of a video",
            name_tests(IN_FAULTS, CUT, "without-length")
            + name_tests(
                "files/test_hostile_files.py",
                "test_a_video_needs_its_index_its_content_and_its_end",
                "cut-in-a-box",
            ),
            Edit(PROBE, "if length is None or at + length > size:", "if length is None:"),
            Edit(PROBE, "if at == size:", "if at >= size:"),
        ),
        Mutation(
            "does not begin again",
            name_tests(IN_FAULTS, CUT, "with-length", "without-length"),
            Edit(POLICIES, '"download", retries_on=_ALL', '"download", retries_on=_SAFE'),
        ),
        Mutation(
            "begins again thirty times",
            name_tests(
                IN_FAULTS,
                "test_a_download_that_is_cut_every_time_is_given_up_after_three_and_leaves_nothing",
            ),
            Edit(
                POLICIES,
                '"download", retries_on=_ALL, attempts=3',
                '"download", retries_on=_ALL, attempts=30',
            ),
        ),
    ),
    Row(
        27,
        "A download arrives one byte at a time, very slowly.",
        "Its deadline ends it, and no partial file is left.",
        Mutation(
            "waits without a deadline",
            name_tests(IN_LINKS, DRIP),
            Edit(RETRY, "asyncio.timeout(policy.deadline_seconds)", "asyncio.timeout(None)"),
        ),
        Mutation("leaves the part that came", name_tests(IN_LINKS, DRIP), UNLINK_PART),
    ),
    Row(
        28,
        "A download is larger than any video, announced or not.",
        "It is stopped at the limit.",
        Mutation(
            "takes everything that comes",
            name_tests(
                IN_LINKS,
                "test_a_download_is_left_when_it_is_too_large",
                *("unannounced", "in-chunks"),
            ),
            Edit(LINKS, "if received > (most_bytes or LARGEST_VIDEO_BYTES):", "if False:"),
        ),
        Mutation(
            "reads what announces too much",
            name_tests(IN_LINKS, "test_what_announces_too_much_is_not_read"),
            Edit(
                LINKS,
                "if (content_length(response) or 0) > (most_bytes or LARGEST_VIDEO_BYTES):",
                "if False:",
            ),
        ),
    ),
    Row(
        29,
        "A download or an answer is a compression bomb.",
        "The download is refused before it is decoded; the answer is decoded up to its limit.",
        Mutation(
            "takes compressed downloads",
            name_tests(
                IN_CLIENT, "test_a_bad_download_is_an_error_without_the_link_in_it", "compressed"
            ),
            Edit(
                LINKS,
                'if response.headers.get("Content-Encoding", "identity").lower() != "identity":',
                "if False:",
            ),
        ),
        Mutation(
            "decodes a chunk of an answer as a whole",
            name_tests(IN_ANSWERS, "test_a_bomb_is_inflated_in_pieces_and_never_beyond_its_bound"),
            Edit(ANSWERS, "decompress(chunk, INFLATED_BYTES)", "decompress(chunk)"),
        ),
    ),
    Row(
        30,
        "An error page comes with 200 instead of a video.",
        "It is not saved.",
        Mutation(
            "saves whatever came",
            name_tests(IN_FILES, "test_what_is_no_whole_video_is_not_published", "html", "a-image"),
            Edit(OUTPUTS, 'raise not_media("is not a media file")', "return next(iter(types))"),
            Edit(OUTPUTS, "return probe.is_complete_mp4(file, size=size)", "return size > 0"),
        ),
    ),
    Row(
        31,
        "The disk is full or may not be written to.",
        "The error says so, and no partial file is left.",
        Mutation(
            "publishes what fitted on the disk",
            name_tests(IN_FILES, "test_a_file_size_limit_leaves_no_leftover"),
            Edit(
                DESCRIPTORS,
                "    while left:\n        left = left[file.write(left) :]\n",
                "    file.write(left)\n",
            ),
        ),
        Mutation(
            "leaves the part that fitted",
            name_tests(IN_FILES, "test_trouble_while_writing_is_said_and_leaves_nothing"),
            UNLINK_PART,
        ),
    ),
    Row(
        32,
        "Two calls fetch one video at once.",
        "It is downloaded once, and both get the path.",
        Mutation(
            "downloads it for each call",
            name_tests(IN_TOOLS, "test_two_fetches_at_once_share_one_download"),
            Edit(DOWNLOAD, 'work_key("download", file_id, folder)', "work_key(id(self))"),
        ),
    ),
    Row(
        33,
        "The name of a file is taken, or is a link to somewhere else.",
        "Nothing is overwritten, no link is followed, and a complete file is not fetched again.",
        Mutation(
            "writes through a link",
            name_tests(IN_FILES, "test_a_link_under_the_final_name_is_not_written_through"),
            Edit(
                OUTPUTS,
                "os.link(self._at(self._name), self._at(name), src_dir_fd=fd, dst_dir_fd=fd)",
                "(self._folder / name).write_bytes((self._folder / self._name).read_bytes())",
            ),
        ),
        Mutation(
            "replaces a file of the same name",
            name_tests(IN_FILES, "test_an_existing_file_is_never_overwritten"),
            Edit(OUTPUTS, "os.link(self._at(", "os.replace(self._at("),
        ),
        Mutation(
            "hands over what a link leads to",
            name_tests(
                IN_FILES,
                "test_a_link_under_the_first_name_does_not_hide_the_file_under_the_second",
            ),
            FOLLOW_FILES,
        ),
        Mutation(
            "fetches again what is there",
            name_tests(IN_TOOLS, "test_the_whole_journey_ends_in_a_file"),
            Edit(DOWNLOAD, "await _find_saved(runtime, download, anywhere=", "None and bool("),
        ),
    ),
    # --- files to send -------------------------------------------------------------------------
    Row(
        34,
        "An input leads outside by dots, a link, a similar name or a swap, or is not a plain file.",
        "It is refused at once, and nothing of it is read.",
        Mutation(
            "takes any path that begins like an allowed folder",
            name_tests(IN_FILES, "test_a_sibling_with_the_same_prefix_is_outside"),
            Edit(
                PATHS,
                "in settings.input_paths if path.is_relative_to(folder)]",
                "in settings.input_paths if str(path).startswith(str(folder))]",
            ),
            Edit(
                PATHS,
                "for part in path.relative_to(folder).parts]",
                "for part in PurePath(str(path).removeprefix(str(folder))).parts]",
            ),
        ),
        Mutation(
            "follows links",
            name_tests(
                IN_FILES,
                "test_a_link_that_leads_outside_is_refused",
                *("link.wav", "folder/canary.wav"),
            ),
            Edit(PATHS, "Path(os.path.realpath(path))", "Path(os.path.abspath(path))"),
            FOLLOW_FILES,
            FOLLOW_FOLDERS,
        ),
        Mutation(
            "follows what became a link after the check",
            name_tests(
                IN_FILES, "test_what_became_a_link_after_the_check_is_refused", "file", "folder"
            ),
            FOLLOW_FILES,
            FOLLOW_FOLDERS,
        ),
        Mutation(
            "waits for somebody to write into a pipe",
            name_tests(IN_FILES, "test_a_pipe_is_refused_though_nobody_writes_into_it"),
            Edit(DESCRIPTORS, '"O_NONBLOCK", ', ""),
        ),
    ),
    Row(
        35,
        "A file grows, shrinks or is replaced while it is sent.",
        "What was checked is sent, at the size that was checked.",
        Mutation(
            "sends in a request what a file has grown by",
            name_tests(IN_FILES, CHECKED_SIZE, "in-a-request"),
            Edit(INPUTS, "self._file.read(min(left, chunk_bytes))", "self._file.read(chunk_bytes)"),
        ),
        Mutation(
            "uploads what a file has grown by",
            name_tests(IN_FILES, CHECKED_SIZE, "as-an-upload"),
            Edit(
                INPUTS,
                "self._file.read(max(0, min(left, len(buffer))))",
                "self._file.read(len(buffer))",
            ),
        ),
        Mutation(
            "reads by its path what it has checked by its descriptor",
            name_tests(IN_FILES, "test_a_replaced_file_is_not_what_is_read"),
            Edit(
                INPUTS,
                "    return _check_or_close("
                "file, name=name, field=field, requirements=requirements, origin=origin)\n",
                "    opened = _check_or_close("
                "file, name=name, field=field, requirements=requirements, origin=origin)\n"
                "    opened.path = source.path\n"
                "    return opened\n",
            ),
            Edit(
                INPUTS,
                "        self._file.seek(0)\n        left =",
                "        self._file.close()\n"
                "        self._file = self.path.open('rb')\n"
                "        left =",
            ),
        ),
    ),
    Row(
        36,
        "An upload is answered with 502.",
        "The whole upload is sent again.",
        Mutation(
            "does not send it again",
            name_tests(IN_CLIENT, "test_an_upload_is_resent_whole_after_502_and_a_cut")
            + name_tests(
                IN_TOOLS, "test_two_503s_then_a_success_are_three_requests", "/v1/files/upload"
            ),
            Edit(POLICIES, '"upload", retries_on=_ALL', '"upload", retries_on=_SAFE'),
        ),
        Mutation(
            "sends only the rest of it the second time",
            name_tests(IN_CLIENT, "test_an_upload_is_resent_whole_after_502_and_a_cut"),
            Edit(
                CLIENT,
                'files={"file": (name, file, media_type)},\n                data={"purpose"',
                'files={"file": (name, type("Once", (), {"read": file.read})(), media_type)},'
                '\n                data={"purpose"',
            ),
        ),
    ),
    Row(
        37,
        "An upload is refused because of its size before it has been sent.",
        "Files that are too large are refused here; otherwise it gives up after three tries.",
        Mutation(
            "uploads a recording of any size",
            name_tests(IN_FILES, "test_a_recording_of_21_mb_is_refused"),
            Edit(REQUIREMENTS, "if size > requirements.most_bytes:", "if False:"),
        ),
        Mutation(
            "tries thirty times",
            name_tests(
                IN_CLIENT,
                "test_an_upload_that_is_cut_off_or_refused_by_size_asks_whether_"
                "the_file_is_too_large",
                *("reset", "closed"),
            ),
            Edit(
                POLICIES,
                '"upload", retries_on=_ALL, attempts=3',
                '"upload", retries_on=_ALL, attempts=30',
            ),
        ),
    ),
    Row(
        38,
        "The answer to a clone is lost, and the next try says that the voice exists.",
        "That counts as success if the id was made here.",
        Mutation(
            "says that the id is taken",
            name_tests(IN_TOOLS, "test_a_lost_answer_to_a_clone_is_success_where_the_id_was_ours"),
            Edit(CLONE, "return _handle_taken_id(request, refusal)", "raise"),
        ),
    ),
    # --- texts, settings, clocks, the end ------------------------------------------------------
    Row(
        39,
        "A message from MiniMax contains instructions, control characters or 10 KB of text.",
        "It is quoted as one line of at most 300 characters, without control characters.",
        Mutation(
            "passes the message on as it came",
            name_tests(IN_CLIENT, QUOTED),
            Edit(SAFE_TEXT, "plain(text).replace(", "text.replace("),
        ),
        Mutation(
            "passes on all of it",
            name_tests(IN_CLIENT, QUOTED),
            Edit(
                SAFE_TEXT,
                'return shorten(redact(" ".join(visible.split())), SHOWN_CHARACTERS)',
                'return redact(" ".join(visible.split()))',
            ),
        ),
    ),
    Row(
        40,
        "Something fails at log level DEBUG, and the other side repeats the key.",
        "The key and signed links are in no result, no log and not in the ledger.",
        Mutation(
            "logs whatever the libraries log",
            name_tests(IN_FAULTS, SECRETS),
            NOTHING_REDACTED,
            NOTHING_HUSHED,
            LOG_EVERYTHING,
        ),
        Mutation(
            "logs the key",
            name_tests("test_safe_text.py", "test_no_log_line_holds_the_key", "as it is", "base64"),
            NOTHING_REDACTED,
        ),
        Mutation(
            "repeats the key to the model",
            name_tests(
                IN_ANSWERS,
                "test_a_key_that_is_echoed_is_in_no_error_and_no_result",
                "as it is",
            ),
            Edit(RESPONSES, "_Scrubber(key_filter).scrub(found) if", "found if"),
        ),
        Mutation(
            "writes the key into the ledger",
            name_tests(IN_FAULTS, SECRETS),
            Edit(
                RUNTIME,
                "return hashlib.sha256(key.get_secret_value().encode()).hexdigest() if",
                "return key.get_secret_value() if",
            ),
        ),
    ),
    Row(
        41,
        "The model gives an argument that does not exist, or a value out of range.",
        "The error names the argument, and nothing is sent.",
        Mutation(
            "drops arguments that it does not know",
            name_tests(IN_TOOLS, ARGUMENT, "unknown-name"),
            Edit(STRICT_TOOL, '"extra": "forbid"', '"extra": "ignore"'),
        ),
        Mutation(
            "takes values as they come",
            name_tests(IN_TOOLS, ARGUMENT, "over-range", "wrong-type"),
            Edit(STRICT_TOOL, "self.fn_metadata.validate_arguments(present)", "present"),
        ),
    ),
    Row(
        42,
        "A .env file in the working directory, or a setting, names another host.",
        "The file is not read, and the host is refused: the key is not sent there.",
        Mutation(
            "reads .env from the working directory",
            name_tests("test_settings.py", "test_an_env_file_in_the_working_directory_is_not_read"),
            Edit(SETTINGS, "Path(__file__).resolve().parent.parent / ", "Path.cwd() / "),
        ),
        Mutation(
            "sends the key to any host",
            name_tests(
                "test_settings.py",
                "test_a_host_that_must_not_get_the_key_is_refused_by_name",
                *("https://evil.example", "https://api.minimax.io.evil.example"),
            ),
            Edit(SETTINGS, 'parts.scheme == "https" and allowed', 'parts.scheme == "https"'),
        ),
    ),
    Row(
        43,
        "The environment names a proxy, and it is down or refuses.",
        "The error names the proxy; names of internal addresses are still refused.",
        Mutation(
            "does not judge where a name leads behind a proxy",
            name_tests(IN_LINKS, "test_a_name_that_leads_inside_is_refused_behind_a_proxy_as_well"),
            Edit(
                LINKS,
                "addresses = await _addresses_of(target.host)",
                "addresses = [] if through_proxy else await _addresses_of(target.host)",
            ),
        ),
        Mutation(
            "takes a proxy that refuses for a connection that broke",
            name_tests(
                IN_LINKS,
                "test_a_proxy_that_gives_no_tunnel_is_named_and_nothing_was_sent",
                *("403", "407", "502"),
            ),
            Edit(TRANSPORT, "if isinstance(error, httpx.ProxyError):", "if False:"),
        ),
    ),
    Row(
        44,
        "The time of day jumps by an hour during a wait.",
        "The wait takes as long as it should.",
        Mutation(
            "waits by the time of day",
            name_tests(IN_CLIENT, "test_the_clock_is_not_the_wall_clock"),
            Edit(CLOCK, "= time.monotonic", "= time.time"),
        ),
        Mutation(
            "takes a jump for the computer having been asleep",
            name_tests(
                IN_FAULTS,
                "test_a_clock_that_jumps_by_an_hour_during_a_wait_changes_nothing",
                "ahead",
            ),
            Edit(CLOCK, "return read_boot_seconds() - time.monotonic()", "return time.time()"),
        ),
    ),
    Row(
        45,
        "The host closes stdin in the middle of a download.",
        "The server ends at once with code 0, and no partial file is left.",
        Mutation(
            "waits for the download",
            name_tests(
                "protocol/test_shutdown.py",
                "test_a_server_that_ends_in_the_middle_of_a_download_leaves_no_part_of_it",
                "stdin-closed",
            ),
            Edit(
                BACKGROUND,
                "        for task in tasks:\n            task.cancel()\n",
                "",
            ),
            Edit(BACKGROUND, "timeout=UNWIND_SECONDS", "timeout=None"),
        ),
    ),
)
