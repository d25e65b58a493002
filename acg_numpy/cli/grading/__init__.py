"""Grading that does not trust what it grades.

Three kinds of processes take part.  `acg grade` reads the submissions and writes the grades.  It starts supervisors,
one a processor, and each supervisor starts a child for each file.  The child runs the student's file and answers; the
supervisor judges; a supervisor that dies with a child is replaced, and the file is tried once more.

    acg grade    class_grading   submissions, roster, class_record, grade_pages
        |        supervisor_pool
    supervisor   supervisor      graded_exercise, judge, remote_pair, child_process
        |
    child        child/          messages, confinement, student_module

**The child** is `python -I -S child/`: isolated, without site-packages.  It imports NumPy, takes NumPy's folder off its
path, gives up what the system lets it give up (`confinement`), says so in a first message, and only then is sent the
source of the student's file.  From there on nothing that it says is believed but arrays, and these are compared.

**The protocol** is a message each way over the child's standard input and output, which the child moves to other
descriptors before the file is run; what the file prints goes to a third pipe, of which the beginning and the end are
kept.  A message is a head in JSON and arrays as .npy bytes, every length bounded and checked first (`messages`).

    parent                                       child
                                                 {"ready", "held"}
    {"file", "source", "functions", "options"}   {"loaded"} or {"missing"} or {"error"}
    {"do": "forward", "token", "inputs"}         {"out", "changed", "cached"}
    {"do": "backward", "token", "grad_out"}      {"grads", "grad_out_changed", "inputs_changed",
                                                  "cache_changed", "forward_calls", "odd_calls", "calls"}

A token names a cache, which stays in the child.  `changed` and the like are places of arrays that a call changed; the
parent repeats the change on its own copies, so that the checks of conduct see it.  Each answer also has `seen`, what
the audit hook of the child refused, and in place of an answer there may be `error`, with the line and what is known.

**What the parent knows and the child does not:** the numeric derivatives, which it takes of the forward that was handed
out (`handout.json` holds the text); the inputs of the next call; the points.  The student's forward has to equal the
reference's at every call.
"""
