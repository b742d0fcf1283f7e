"""The fault table: what goes wrong, what is promised, and how each promise is removed from the code.

A mutation edits the source so that a promised behaviour is gone; its tests must fail then. Where two
defences hold one promise, the mutation removes both. `fault_table` applies them.
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

    def __init__(self, what: str, tests: str | tuple[str, ...], *edits: Edit) -> None:
        self.what = what
        self.tests = (tests,) if isinstance(tests, str) else tests
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


ANSWERS: Final = "minimax/api/answers.py"
BACKGROUND: Final = "minimax/runtime/background.py"
BUY_ONCE: Final = "minimax/spending/buy_once.py"
CLIENT: Final = "minimax/api/client.py"
CLONE: Final = "minimax/voice/clone.py"
CODES: Final = "minimax/api/error_codes.py"
DELIVERY: Final = "minimax/delivery.py"
DESCRIPTORS: Final = "minimax/files/descriptors.py"
DOWNLOAD: Final = "minimax/video/download.py"
INPUTS: Final = "minimax/files/inputs.py"
JOB: Final = "minimax/video/job.py"
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
SAFE_TEXT: Final = "minimax/safe_text.py"
SETTINGS: Final = "minimax/settings.py"
SQLITE: Final = "minimax/ledger/sqlite.py"
STRICT_TOOL: Final = "minimax/protocol/strict_tool.py"
TRANSPORT: Final = "minimax/api/transport.py"

FAULTS: Final = "tests/api/test_faults.py::"
IN_CLIENT: Final = "tests/api/test_client.py::"
IN_FILES: Final = "tests/files/test_inputs_and_outputs.py::"
IN_LINKS: Final = "tests/api/test_links.py::"
IN_TOOLS: Final = "tests/test_tools.py::"

DOUBT: Final = f"{FAULTS}test_a_submission_of_unknown_outcome_is_sent_once_and_the_doubt_is_told"
REFUSAL: Final = f"{FAULTS}test_a_refusal_is_one_try_and_says_what_to_do"
NO_SENSE: Final = f"{FAULTS}test_a_wait_that_makes_no_sense_is_ignored"

NEVER_SENT: Final = (
    Row(
        1,
        "The connection for a submission is refused twice.",
        "The third try is accepted, and one video is bought.",
        Mutation(
            "gives up after a connection that was refused",
            f"{FAULTS}test_a_connection_refused_twice_is_tried_again_and_buys_one_video",
            Edit(POLICIES, '"submit", retries_on=_SAFE', '"submit", retries_on=frozenset()'),
        ),
    ),
    Row(
        2,
        "The API host's name cannot be looked up.",
        "After three tries and less than 15 seconds, an error names the setting.",
        Mutation(
            "tries thirty times",
            f"{FAULTS}test_a_name_that_cannot_be_resolved_ends_soon_and_names_the_setting",
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
            f"{FAULTS}test_a_certificate_that_cannot_be_verified_is_an_error_at_once",
            Edit(TRANSPORT, "verify=self._tls", "verify=False"),
        ),
        Mutation(
            "tries again as after any connection that failed",
            f"{FAULTS}test_a_certificate_that_cannot_be_verified_is_an_error_at_once",
            Edit(TRANSPORT, "if has_cause(error, ssl.SSLCertVerificationError):", "if False:"),
        ),
    ),
)

IN_DOUBT: Final = (
    Row(
        4,
        "The connection is reset after a submission was sent.",
        "It is not sent again, and the ledger says that it is in doubt.",
        Mutation(
            "sends a submission in doubt again",
            (f"{DOUBT}[04-reset]", f"{DOUBT}[04-closed]"),
            Edit(POLICIES, '"submit", retries_on=_SAFE', '"submit", retries_on=_ALL'),
        ),
        Mutation(
            "writes down that it was refused",
            f"{DOUBT}[04-reset]",
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
            f"{DOUBT}[05-silence]",
            Edit(
                TRANSPORT,
                "httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout",
                "httpx.ConnectError | httpx.TimeoutException",
            ),
        ),
    ),
    Row(
        6,
        "The answer to a submission is cut, or is not JSON.",
        "It is not sent again, and the error says that it may have been charged.",
        Mutation(
            "takes an answer that cannot be read for none, and sends again",
            (f"{DOUBT}[06-cut-without-length]", f"{DOUBT}[06-no-JSON]", f"{DOUBT}[06-no-object]"),
            Edit(
                RESPONSES,
                'should hold. Call again.",\n        outcome=Outcome.UNKNOWN,',
                'should hold. Call again.",\n        outcome=Outcome.NOT_SENT,',
            ),
        ),
        Mutation(
            "lets the parser's error out",
            f"{DOUBT}[06-cut-without-length]",
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
            (f"{DOUBT}[07-no-task-id]", f"{DOUBT}[07-empty-task-id]", f"{DOUBT}[07-null-task-id]"),
            Edit(REPLIES, "return bool(self.task_id)", "return True"),
        ),
    ),
    Row(
        8,
        "A submission is answered with 500, 502, 503 or 504.",
        "It is not sent again, and the error says that it may have been charged.",
        Mutation(
            "sends again after a server error",
            tuple(f"{DOUBT}[08-{status}]" for status in (500, 502, 503, 504)),
            Edit(
                RESPONSES,
                "    if status == HTTPStatus.TOO_MANY_REQUESTS:\n",
                "    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500:\n",
            ),
        ),
        Mutation(
            "says that nothing was charged",
            tuple(f"{DOUBT}[08-{status}]" for status in (500, 502, 503, 504)),
            Edit(RESPONSES, " or status >= HTTPStatus.INTERNAL_SERVER_ERROR", ""),
        ),
    ),
)

NO: Final = (
    Row(
        9,
        "A submission is throttled, with Retry-After.",
        "It waits as long as it was asked to, is sent three times at most, and buys one video.",
        Mutation(
            "does not wait as asked",
            tuple(
                f"{FAULTS}test_a_throttled_submission_waits_as_asked_and_buys_one_video[{kind}]"
                for kind in ("HTTP-429", "1002")
            ),
            Edit(RETRY, "if error.retry_after_seconds is not None:", "if False:"),
        ),
        Mutation(
            "tries until the deadline",
            f"{FAULTS}test_a_submission_that_stays_throttled_is_given_up_after_three_tries",
            Edit(RETRY, "state.attempt_number >= self._policy.attempts", "False"),
        ),
    ),
    Row(
        10,
        "Retry-After asks for an hour, for -1, for 10^40 or for a word.",
        "An hour is told and not waited for; what makes no sense is ignored.",
        Mutation(
            "sleeps for an hour",
            f"{FAULTS}test_a_wait_of_an_hour_is_told_and_not_slept_through",
            Edit(RETRY, "return too_long or ", "return "),
        ),
        Mutation(
            "believes any number",
            (f"{NO_SENSE}[-1]", f"{NO_SENSE}[1{'0' * 40}]"),
            Edit(
                RESPONSES,
                " and 0 < seconds <= LONGEST_BELIEVED_WAIT_SECONDS",
                "",
            ),
        ),
    ),
    Row(
        11,
        "A submission is refused: no balance, or the key.",
        "It is sent once, and each error says its own next step.",
        Mutation(
            "tries again without a balance",
            f"{REFUSAL}[11-balance]",
            Edit(
                CODES,
                'nothing was started and nothing charged.",\n            _REJECTED,',
                'nothing was started and nothing charged.",\n            _THROTTLED,',
            ),
        ),
        Mutation(
            "does not tell a refused key from other refusals",
            (f"{REFUSAL}[11-key-1004]", f"{REFUSAL}[11-key-2049]"),
            Edit(RESPONSES, "return code in KEY_CODES or (", "return ("),
        ),
    ),
    Row(
        12,
        "A submission is refused by the content check.",
        "It is sent once, and the error says to change the prompt.",
        Mutation(
            "tries again with the same prompt",
            f"{REFUSAL}[12-input]",
            Edit(
                CODES,
                'content check refused the input.",\n            _REJECTED,',
                'content check refused the input.",\n            _THROTTLED,',
            ),
        ),
        Mutation(
            "calls it a doubt",
            f"{REFUSAL}[12-output]",
            Edit(
                CODES,
                'content check blocked the result.",\n            _REJECTED,',
                'content check blocked the result.",\n            _UNKNOWN,',
            ),
        ),
    ),
)

CALLER_IS_GONE: Final = (
    Row(
        13,
        "The host cancels a call while its submission is on the way.",
        "The submission goes on; the task id is in the ledger and on stderr.",
        Mutation(
            "cancels the submission with its call",
            f"{FAULTS}test_an_id_that_comes_after_the_host_gave_up_is_in_the_ledger_and_on_stderr",
            Edit(BACKGROUND, "await _wait_for_end(task, tick)", "await task"),
        ),
        Mutation(
            "does not write the task id to stderr",
            f"{FAULTS}test_an_id_that_comes_after_the_host_gave_up_is_in_the_ledger_and_on_stderr",
            Edit(BUY_ONCE, "task.add_done_callback(_log_late_acceptance)", "pass"),
        ),
    ),
    Row(
        14,
        "The same video is requested again, after a doubt or after a cancelled call.",
        "After a doubt it is refused; what was accepted is handed over.",
        Mutation(
            "buys again after a doubt",
            f"{FAULTS}test_after_a_doubt_the_same_call_is_refused_and_names_the_attempt",
            Edit(RECORDS, "return Decision.REFUSE", "return None"),
        ),
        Mutation(
            "buys again what nobody was told of",
            "tests/spending/test_buy_once.py::"
            "test_a_job_whose_call_was_cancelled_goes_to_the_next_identical_call",
            Edit(RECORDS, "State.ACCEPTED: Decision.HAND_OVER, ", ""),
        ),
    ),
    Row(
        15,
        "The server is killed between a submission and its answer.",
        "The next server knows of it and refuses the same request.",
        Mutation(
            "takes what a killed server was sending for refused",
            f"{FAULTS}test_a_server_killed_between_send_and_reply_is_remembered_as_submitting",
            Edit(
                SQLITE,
                '"UPDATE jobs SET state = ? WHERE key = ?", (State.UNKNOWN.value, row["key"])',
                '"UPDATE jobs SET state = ? WHERE key = ?", (State.REJECTED.value, row["key"])',
            ),
        ),
    ),
)

CONNECTION: Final = (
    Row(
        16,
        "The server has closed the connection that was kept open.",
        "A submission has a connection of its own and is accepted once.",
        Mutation(
            "submits over a connection that was kept open",
            (
                f"{FAULTS}test_a_connection_that_went_stale_is_not_used_for_a_submission",
                f"{FAULTS}test_every_submission_has_a_connection_of_its_own",
            ),
            Edit(
                CLIENT,
                "pool = self._pools.submissions if endpoint.fresh_connection else self._pools.api",
                "pool = self._pools.api",
            ),
        ),
        Mutation(
            "keeps the connections of submissions open",
            f"{FAULTS}test_every_submission_has_a_connection_of_its_own",
            Edit(TRANSPORT, '"submissions", kept_alive=0', '"submissions", kept_alive=20'),
        ),
    ),
    Row(
        17,
        "The API host answers with a redirect.",
        "It is an error, and nothing goes anywhere else.",
        Mutation(
            "follows redirects",
            tuple(
                f"{FAULTS}test_a_redirect_is_an_error_and_the_key_goes_nowhere_else[{status}]"
                for status in (301, 302, 307, 308)
            ),
            Edit(TRANSPORT, "follow_redirects=False", "follow_redirects=True"),
        ),
    ),
)

ASKING: Final = (
    Row(
        18,
        "Three questions about a job are answered with 502.",
        "The wait goes on to the end of the job.",
        Mutation(
            "ends the wait at the first failure",
            f"{FAULTS}test_three_bad_gateways_do_not_end_a_wait",
            Edit(POLICIES, '"status", retries_on=_ALL', '"status", retries_on=_SAFE'),
            Edit(JOB, "TOLERATED_FAILURES: Final = 5", "TOLERATED_FAILURES: Final = 0"),
        ),
    ),
    Row(
        19,
        "MiniMax gives a job a status that is not known here.",
        "It counts as under way and is shown as it came.",
        Mutation(
            "takes a word that it does not know for the end of the job",
            f"{FAULTS}test_a_word_never_seen_counts_as_running_and_is_shown_as_it_came",
            Edit(REPLIES, 'word.lower(), "processing")', 'word.lower(), "failed")'),
        ),
    ),
    Row(
        20,
        "A job fails, is cancelled or expires.",
        "That is told at once with its reason, and the job is not asked about again.",
        Mutation(
            "goes on asking about a job that has failed",
            tuple(
                f"{FAULTS}test_the_end_of_a_job_is_told_at_once_and_never_asked_for_again[{case}]"
                for case in (
                    "Fail-0-MiniMax gave no reason",
                    "cancelled-0-cancelled",
                    "EXPIRED-0-expired",
                )
            ),
            Edit(
                REPLIES,
                'self.job_status in ("completed", "failed")',
                'self.job_status == "completed"',
            ),
        ),
    ),
    Row(
        21,
        "A job does not end while a call waits for it.",
        "The call is answered normally before 50 seconds.",
        Mutation(
            "waits until the host gives up",
            f"{FAULTS}test_a_job_that_never_ends_is_a_normal_answer_before_50_seconds",
            Edit(JOB, "left = self._wait_seconds - self", "left = 600 - self"),
            Edit(JOB, "asyncio.timeout(wait_seconds + ASK_GRACE_SECONDS)", "asyncio.timeout(600)"),
        ),
    ),
    Row(
        22,
        "Questions about ten jobs are throttled for half a minute.",
        "They are asked less often, and all waits go on to the end.",
        Mutation(
            "ends a wait that is throttled",
            "tests/video/test_job.py::"
            "test_ten_waits_that_are_throttled_for_half_a_minute_all_recover",
            Edit(
                JOB,
                "error.outcome is Outcome.REJECTED or self",
                "error.outcome is not Outcome.UNKNOWN or self",
            ),
        ),
        Mutation(
            "asks again without a pause",
            "tests/video/test_job.py::"
            "test_ten_waits_that_are_throttled_for_half_a_minute_all_recover",
            Edit(
                RETRY,
                "return self._clock.jitter(0, min(cap",
                "return 0 * self._clock.jitter(0, min(cap",
            ),
            Edit(
                JOB,
                "self.due_at = self.clock.now() + self._next_pause()",
                "self.due_at = self.clock.now() + 0.5",
            ),
        ),
    ),
    Row(
        23,
        "A call is cancelled while it waits for a job.",
        "It ends at once, and nothing is left running.",
        Mutation(
            "swallows the cancellation and answers",
            f"{FAULTS}test_a_cancelled_wait_ends_within_a_tick_and_leaves_nothing_running",
            Edit(
                JOB,
                "            await self._clock.sleep(max(0.0, min(pause, left)))\n",
                "            try:\n"
                "                await self._clock.sleep(max(0.0, min(pause, left)))\n"
                "            except asyncio.CancelledError:\n"
                "                return self.reply\n",
            ),
        ),
        Mutation(
            "repeats what was cancelled",
            "tests/api/test_retry.py::test_cancellation_is_never_swallowed_nor_repeated",
            Edit(
                RETRY,
                "return isinstance(error, MiniMaxError) and error",
                "return not isinstance(error, MiniMaxError) or error",
            ),
        ),
    ),
    Row(
        24,
        "A finished job names no file yet, or its file is not known for 20 seconds.",
        "It is asked again for a while; then an error keeps the task id.",
        Mutation(
            "gives up when no file is named",
            f"{FAULTS}test_a_file_that_is_named_a_moment_later_is_found",
            Edit(JOB, "FILE_ID_TRIES: Final = 3", "FILE_ID_TRIES: Final = 1"),
        ),
        Mutation(
            "gives up when the file is not known",
            f"{FAULTS}test_a_file_that_is_not_found_for_20_seconds_is_waited_for",
            Edit(DOWNLOAD, "FILE_SETTLES_SECONDS: Final = 30.0", "FILE_SETTLES_SECONDS: Final = 0"),
        ),
    ),
)

DOWNLOADS: Final = (
    Row(
        25,
        "The link to a video has expired.",
        "One other link is requested; nothing is generated again.",
        Mutation(
            "uses the expired link again",
            f"{IN_TOOLS}test_an_expired_link_is_renewed_once",
            Edit(DELIVERY, "    link.forget()\n", ""),
        ),
        Mutation(
            "tries the expired link three times",
            f"{IN_TOOLS}test_an_expired_link_is_renewed_once",
            Edit(
                LINKS,
                '"The download link is over.",\n            outcome=Outcome.REJECTED,',
                '"The download link is over.",\n            outcome=Outcome.UNKNOWN,',
            ),
        ),
    ),
    Row(
        26,
        "A download is cut, with or without an announced length.",
        "It begins again, three times at most, and only a whole file gets its name.",
        Mutation(
            "publishes a part of a video",
            (
                "tests/files/test_hostile_files.py::"
                "test_a_video_needs_its_index_its_content_and_its_end[cut-in-a-box]",
                f"{FAULTS}test_a_download_that_is_cut_begins_again_and_only_the_whole_file_is_saved[without-length]",
            ),
            Edit(PROBE, "if length is None or at + length > size:", "if length is None:"),
            Edit(PROBE, "if at == size:", "if at >= size:"),
        ),
        Mutation(
            "does not begin again",
            (
                f"{FAULTS}test_a_download_that_is_cut_begins_again_and_only_the_whole_file_is_saved[with-length]",
                f"{FAULTS}test_a_download_that_is_cut_begins_again_and_only_the_whole_file_is_saved[without-length]",
            ),
            Edit(POLICIES, '"download", retries_on=_ALL', '"download", retries_on=_SAFE'),
        ),
    ),
    Row(
        27,
        "A download comes a byte now and then.",
        "Its deadline ends it, and no part of it is left.",
        Mutation(
            "waits without a deadline",
            f"{IN_LINKS}"
            "test_a_download_that_drips_is_ended_by_its_deadline_and_leaves_nothing_behind",
            Edit(RETRY, "asyncio.timeout(policy.deadline_seconds)", "asyncio.timeout(None)"),
        ),
        Mutation(
            "leaves the part that came",
            f"{IN_LINKS}"
            "test_a_download_that_drips_is_ended_by_its_deadline_and_leaves_nothing_behind",
            Edit(OUTPUTS, "os.unlink(self._at(self._name), dir_fd=self._folder_fd)", "pass"),
        ),
    ),
    Row(
        28,
        "A download is larger than any video, announced or not.",
        "It is left at the limit.",
        Mutation(
            "takes everything that comes",
            (
                f"{IN_LINKS}test_a_download_is_left_when_it_is_too_large[unannounced]",
                f"{IN_LINKS}test_a_download_is_left_when_it_is_too_large[in-chunks]",
            ),
            Edit(LINKS, "if received > LARGEST_VIDEO_BYTES:", "if False:"),
        ),
        Mutation(
            "reads what announces too much",
            f"{IN_LINKS}test_what_announces_too_much_is_not_read",
            Edit(LINKS, "if (content_length(response) or 0) > LARGEST_VIDEO_BYTES:", "if False:"),
        ),
    ),
    Row(
        29,
        "A download or an answer is a compression bomb.",
        "The download is refused before it is decoded; the answer is decoded up to its bound.",
        Mutation(
            "takes compressed downloads",
            f"{IN_CLIENT}test_a_bad_download_is_an_error_without_the_link_in_it[compressed]",
            Edit(
                LINKS,
                'if response.headers.get("Content-Encoding", "identity").lower() != "identity":',
                "if False:",
            ),
        ),
        Mutation(
            "decodes a chunk of an answer as a whole",
            "tests/api/test_answers.py::"
            "test_a_bomb_is_inflated_in_pieces_and_never_beyond_its_bound",
            Edit(ANSWERS, "decompress(chunk, INFLATED_BYTES)", "decompress(chunk)"),
        ),
    ),
    Row(
        30,
        "An error page comes with 200 in place of a video.",
        "It is not saved.",
        Mutation(
            "saves whatever came",
            tuple(
                f"{IN_FILES}test_what_is_no_whole_video_is_not_published[{what}]"
                for what in ("html", "a-image")
            ),
            Edit(OUTPUTS, 'raise not_media("is not a media file")', "return next(iter(types))"),
            Edit(OUTPUTS, "return probe.is_complete_mp4(file, size=size)", "return size > 0"),
        ),
    ),
    Row(
        31,
        "The disk is full or may not be written to.",
        "The error says so, and no part of the file is left.",
        Mutation(
            "publishes what fitted on the disk",
            f"{IN_FILES}test_a_file_size_limit_leaves_no_leftover",
            Edit(
                DESCRIPTORS,
                "    while left:\n        left = left[file.write(left) :]\n",
                "    file.write(left)\n",
            ),
        ),
        Mutation(
            "leaves the part that fitted",
            f"{IN_FILES}test_trouble_while_writing_is_said_and_leaves_nothing",
            Edit(OUTPUTS, "os.unlink(self._at(self._name), dir_fd=self._folder_fd)", "pass"),
        ),
    ),
    Row(
        32,
        "Two calls fetch one video at once.",
        "It is downloaded once, and both get the path.",
        Mutation(
            "downloads it for each call",
            f"{IN_TOOLS}test_two_fetches_at_once_share_one_download",
            Edit(
                DOWNLOAD,
                'runtime.work_key("download", file_id, folder)',
                'runtime.work_key("download", id(self))',
            ),
        ),
    ),
    Row(
        33,
        "A file's name is taken, or is a link that leads elsewhere.",
        "Nothing is overwritten, and no link is followed.",
        Mutation(
            "writes through a link",
            f"{IN_FILES}test_a_link_under_the_final_name_is_not_written_through",
            Edit(
                OUTPUTS,
                "os.link(self._at(self._name), self._at(name), src_dir_fd=fd, dst_dir_fd=fd)",
                "(self._folder / name).write_bytes((self._folder / self._name).read_bytes())",
            ),
        ),
        Mutation(
            "replaces a file of the same name",
            f"{IN_FILES}test_an_existing_file_is_never_overwritten",
            Edit(
                OUTPUTS,
                "os.link(self._at(self._name), self._at(name), src_dir_fd=fd, dst_dir_fd=fd)",
                "os.replace(self._at(self._name), self._at(name), src_dir_fd=fd, dst_dir_fd=fd)",
            ),
        ),
        Mutation(
            "hands over what a link leads to",
            f"{IN_FILES}test_a_link_under_the_first_name_does_not_hide_the_file_under_the_second",
            Edit(DESCRIPTORS, "os.O_RDONLY | os.O_NOFOLLOW | ", "os.O_RDONLY | "),
        ),
    ),
)

FILES_TO_SEND: Final = (
    Row(
        34,
        "An input leads outside: by dots, a link, a prefix, a swap; or it is no regular file.",
        "It is refused at once, and nothing of it is read.",
        Mutation(
            "takes a folder whose name begins alike for the allowed one",
            f"{IN_FILES}test_a_sibling_with_the_same_prefix_is_outside",
            Edit(
                PATHS,
                "for folder in settings.input_paths if path.is_relative_to(folder)]",
                "for folder in settings.input_paths if str(path).startswith(str(folder))]",
            ),
        ),
        Mutation(
            "follows links",
            tuple(
                f"{IN_FILES}test_a_link_that_leads_outside_is_refused[{place}]"
                for place in ("link.wav", "folder/canary.wav")
            ),
            Edit(
                PATHS,
                "return Path(os.path.realpath(path))\n",
                "return Path(os.path.abspath(path))\n",
            ),
            Edit(DESCRIPTORS, "os.O_RDONLY | os.O_NOFOLLOW | ", "os.O_RDONLY | "),
            Edit(DESCRIPTORS, '    | getattr(os, "O_NOFOLLOW", 0)\n', ""),
        ),
        Mutation(
            "follows a folder that became a link after the check",
            f"{IN_FILES}test_a_folder_swapped_for_a_link_never_lets_the_outside_file_out",
            Edit(DESCRIPTORS, '    | getattr(os, "O_NOFOLLOW", 0)\n', ""),
        ),
        Mutation(
            "waits for somebody to write into a pipe",
            f"{IN_FILES}test_a_pipe_is_refused_though_nobody_writes_into_it",
            Edit(DESCRIPTORS, " | os.O_NONBLOCK", ""),
        ),
    ),
    Row(
        35,
        "A file grows, shrinks or is replaced while it is sent.",
        "What was checked is sent, at the size that was checked.",
        Mutation(
            "sends what an image has grown by",
            f"{IN_FILES}test_the_bytes_that_leave_are_those_of_the_checked_size[in-a-request]",
            Edit(INPUTS, "self._file.read(min(left, chunk_bytes))", "self._file.read(chunk_bytes)"),
        ),
        Mutation(
            "sends what a recording has grown by",
            f"{IN_FILES}test_the_bytes_that_leave_are_those_of_the_checked_size[as-an-upload]",
            Edit(
                INPUTS,
                "self._file.read(max(0, min(left, len(buffer))))",
                "self._file.read(len(buffer))",
            ),
        ),
    ),
    Row(
        36,
        "An upload is answered with 502.",
        "It is sent again, whole.",
        Mutation(
            "does not send it again",
            (
                f"{IN_CLIENT}test_an_upload_is_resent_whole_after_502_and_a_cut",
                f"{IN_TOOLS}test_two_503s_then_a_success_are_three_requests[/v1/files/upload]",
            ),
            Edit(POLICIES, '"upload", retries_on=_ALL', '"upload", retries_on=_SAFE'),
        ),
    ),
    Row(
        37,
        "An upload is refused by its size before it has been sent.",
        "Files that are too large are refused here; otherwise it is given up after three tries.",
        Mutation(
            "sends a recording of any size",
            f"{IN_FILES}test_a_recording_of_21_mb_is_refused",
            Edit(REQUIREMENTS, "if size > requirements.most_bytes:", "if False:"),
        ),
        Mutation(
            "tries for as long as the deadline allows",
            f"{IN_CLIENT}"
            "test_an_upload_that_is_cut_off_or_refused_by_size_asks_whether_the_file_is_too_large"
            "[reset]",
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
        "That is a success where the id was made here.",
        Mutation(
            "says that the id is taken",
            f"{IN_TOOLS}test_a_lost_answer_to_a_clone_is_success_where_the_id_was_ours",
            Edit(CLONE, "return _handle_taken_id(request, refusal)", "raise"),
        ),
    ),
)

TEXTS_AND_SETTINGS: Final = (
    Row(
        39,
        "MiniMax's message holds instructions, control characters or 10 KB.",
        "It is one quoted line without them, of 300 characters at most.",
        Mutation(
            "passes the message on as it came",
            f"{IN_CLIENT}test_what_minimax_says_is_quoted_as_one_harmless_line",
            Edit(SAFE_TEXT, "plain(text).replace(", "text.replace("),
        ),
        Mutation(
            "passes on all of it",
            f"{IN_CLIENT}test_what_minimax_says_is_quoted_as_one_harmless_line",
            Edit(
                SAFE_TEXT,
                'return shorten(redact(" ".join(visible.split())), SHOWN_CHARACTERS)',
                'return redact(" ".join(visible.split()))',
            ),
        ),
    ),
    Row(
        40,
        "Anything fails at log level DEBUG, and the other side repeats the key.",
        "Key and signed links are in no result, no log and not in the ledger.",
        Mutation(
            "logs what it is told to",
            f"{FAULTS}test_neither_key_nor_signature_gets_out_of_a_failure",
            Edit(
                LOGS,
                "self._key_filter.scrub(redact(super().format(record)))",
                "super().format(record)",
            ),
            Edit(LOGS, ".setLevel(logging.WARNING)", ".setLevel(logging.DEBUG)"),
        ),
        Mutation(
            "logs the key in a disguise",
            "tests/test_safe_text.py::test_no_log_line_holds_the_key",
            Edit(
                LOGS,
                "self._key_filter.scrub(redact(super().format(record)))",
                "redact(super().format(record))",
            ),
        ),
        Mutation(
            "repeats the key to the model",
            "tests/api/test_answers.py::test_a_key_that_is_echoed_is_in_no_error_and_no_result[as it is]",
            Edit(RESPONSES, "_Scrubber(key_filter).scrub(found) if", "found if"),
        ),
        Mutation(
            "writes the key into the ledger",
            f"{FAULTS}test_neither_key_nor_signature_gets_out_of_a_failure",
            Edit(
                "minimax/runtime/per_loop.py",
                "return hashlib.sha256(key.get_secret_value().encode()).hexdigest() if key",
                "return key.get_secret_value() if key",
            ),
        ),
    ),
    Row(
        41,
        "The model gives an argument that there is not, or a value out of range.",
        "The error names the argument, and nothing is sent.",
        Mutation(
            "drops arguments that it does not know",
            f"{IN_TOOLS}"
            "test_a_wrong_argument_is_named_in_our_own_words_and_nothing_is_sent[unknown-name]",
            Edit(STRICT_TOOL, '"extra": "forbid"', '"extra": "ignore"'),
        ),
        Mutation(
            "takes values as they come",
            tuple(
                f"{IN_TOOLS}"
                f"test_a_wrong_argument_is_named_in_our_own_words_and_nothing_is_sent[{case}]"
                for case in ("over-range", "wrong-type")
            ),
            Edit(
                STRICT_TOOL,
                "checked = self.fn_metadata.validate_arguments(present)",
                "checked = present",
            ),
        ),
    ),
    Row(
        42,
        "A .env file in the working directory, or a setting, names another host.",
        "The file is not read, and the host is refused: the key does not go there.",
        Mutation(
            "reads .env from the working directory",
            "tests/test_settings.py::test_an_env_file_in_the_working_directory_is_not_read",
            Edit(
                SETTINGS,
                'Path(__file__).resolve().parent.parent / ".env"',
                'Path.cwd() / ".env"',
            ),
        ),
        Mutation(
            "sends the key to any host",
            tuple(
                f"tests/test_settings.py::"
                f"test_a_host_that_must_not_get_the_key_is_refused_by_name[{host}]"
                for host in ("https://evil.example", "https://api.minimax.io.evil.example")
            ),
            Edit(SETTINGS, 'parts.scheme == "https" and allowed', 'parts.scheme == "https"'),
        ),
    ),
    Row(
        43,
        "The environment names a proxy, and it is down or refuses.",
        "The error names the proxy; names that lead inside are refused all the same.",
        Mutation(
            "does not judge where a name leads behind a proxy",
            f"{IN_LINKS}test_a_name_that_leads_inside_is_refused_behind_a_proxy_as_well",
            Edit(
                LINKS,
                "addresses = await _addresses_of(target.host)",
                "addresses = [] if through_proxy else await _addresses_of(target.host)",
            ),
        ),
        Mutation(
            "takes a proxy that refuses for a connection that broke",
            tuple(
                f"{IN_LINKS}test_a_proxy_that_gives_no_tunnel_is_named_and_nothing_was_sent[{status}]"
                for status in (403, 407, 502)
            ),
            Edit(TRANSPORT, "if isinstance(error, httpx.ProxyError):", "if False:"),
        ),
    ),
    Row(
        44,
        "The computer's clock jumps by an hour during a wait.",
        "The wait takes as long as it should.",
        Mutation(
            "waits by the time of day",
            f"{IN_CLIENT}test_the_clock_is_not_the_wall_clock",
            Edit("minimax/clock.py", "= time.monotonic", "= time.time"),
        ),
    ),
    Row(
        45,
        "The host closes stdin in the middle of a download.",
        "The server ends at once with code 0, and no part of the file is left.",
        Mutation(
            "waits for the download",
            "tests/protocol/test_shutdown.py::"
            "test_a_server_that_ends_in_the_middle_of_a_download_leaves_no_part_of_it[stdin-closed]",
            Edit(BACKGROUND, "            task.cancel()\n", "            pass\n"),
            Edit(BACKGROUND, "timeout=UNWIND_SECONDS", "timeout=None"),
        ),
    ),
)

ROWS: Final = (
    *NEVER_SENT,
    *IN_DOUBT,
    *NO,
    *CALLER_IS_GONE,
    *CONNECTION,
    *ASKING,
    *DOWNLOADS,
    *FILES_TO_SEND,
    *TEXTS_AND_SETTINGS,
)
