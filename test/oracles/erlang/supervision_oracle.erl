%% Runs supervision cases on Erlang/OTP's own supervisor and writes down what happened.
%%
%% One case is one line on stdin, an Erlang term; its result is one line on stdout: the number of the case, a tab, and
%% for each step its events, separated by `;`. Many cases run beside each other, each in processes of its own. Run with
%% one scheduler (+S 1), so that signals arrive in the order in which they were caused.
-module(supervision_oracle).
-behaviour(supervisor).
-export([main/0, init/1, start_worker/3, start_supervisor/2, start_instance/3]).

-define(at_once, 100).
-define(settle_seconds, 20).

main() ->
    logger:set_primary_config(level, none),
    ok = io:setopts([{encoding, latin1}, binary]),
    read(0).

read(Running) when Running >= ?at_once ->
    receive done -> read(Running - 1) end;
read(Running) ->
    case io:get_line("") of
        eof -> wait(Running);
        Line ->
            {ok, Tokens, _} = erl_scan:string(binary_to_list(Line)),
            {ok, Case} = erl_parse:parse_term(Tokens),
            Reader = self(),
            spawn(fun() -> run(Case), Reader ! done end),
            read(Running + 1)
    end.

wait(0) -> halt(0);
wait(Running) -> receive done -> wait(Running - 1) end.

%% A case: its number, the tree, what goes wrong at which start of whom, and the steps.
run({Number, Tree, Plans, Steps}) ->
    process_flag(trap_exit, true),
    Table = ets:new(oracle, [public]),
    ets:insert(Table, {plans, Plans}),
    Recorder = spawn_link(fun() -> recorder([], #{}) end),
    Case = {Table, Recorder},
    align(Steps),
    Base = erlang:monotonic_time(millisecond),
    Started = try start_tree(Case, "", Tree) catch _:Reason -> {error, Reason} end,
    {Result, Root} = case Started of
        {ok, Pid} -> {"ok", Pid};
        {error, _} -> {"start-failed", none}
    end,
    First = finish_step(Case, Root, Result),
    Rest = steps(Steps, Case, Root, Base),
    Last = case is_up(Root) of
        true ->
            exit(Root, shutdown),
            finish_step(Case, none, "ok");
        false -> "none"
    end,
    Recorder ! stop,
    io:put_chars([integer_to_list(Number), "\t", lists:join(";", [First | Rest] ++ [Last]), "\n"]).

steps([], _, _, _) -> [];
steps([Step | Steps], Case, Root, Base) ->
    Done = case is_up(Root) of
        true -> finish_step(Case, Root, step(Step, Case, Base));
        false -> "none"
    end,
    [Done | steps(Steps, Case, Root, Base)].

is_up(Pid) -> is_pid(Pid) andalso is_process_alive(Pid).

%% OTP counts restarts by whole seconds: cases about the period begin at the same point of a second.
align([{at, _} | _]) ->
    Ms = ((erlang:monotonic_time(millisecond) rem 1000) + 1000) rem 1000,
    timer:sleep((1300 - Ms) rem 1000);
align(_) -> ok.

step({at, Second}, _, Base) ->
    timer:sleep(max(0, Base + Second * 1000 - erlang:monotonic_time(millisecond))),
    "ok";
step({fault, Faults}, Case, _) ->
    Living = [{Pid, How} || {Path, How} <- Faults, Pid <- [pid_of(Case, Path)], is_up(Pid)],
    Monitors = [monitor(process, Pid) || {Pid, _} <- Living],
    lists:foreach(fun({Pid, kill}) -> exit(Pid, kill); ({Pid, How}) -> Pid ! {fault, How} end, Living),
    lists:foreach(fun(Monitor) -> receive {'DOWN', Monitor, _, _, _} -> ok after ?settle_seconds * 1000 -> ok end end, Monitors),
    integer_to_list(length(Living));
step({Call, Path, Argument}, Case, _) ->
    Pid = pid_of(Case, Path),
    case is_up(Pid) of
        false -> "no-supervisor";
        true -> call(Call, Case, Path, Pid, Argument)
    end.

call(start, Case, Path, Pid, Tree) -> answer(supervisor:start_child(Pid, child_spec(Case, Path, Tree)));
call(instance, _, _, Pid, Id) -> answer(supervisor:start_child(Pid, [Id]));
call(terminate, _, _, Pid, Id) -> answer(supervisor:terminate_child(Pid, Id));
call(terminate_instance, Case, Path, Pid, Id) ->
    case pid_of(Case, Path ++ "/" ++ Id) of
        %% It never lived, so there is no pid to ask about; of one that is dead OTP says ok.
        none -> "ok";
        Instance -> answer(supervisor:terminate_child(Pid, Instance))
    end;
call(restart, _, _, Pid, Id) -> answer(supervisor:restart_child(Pid, Id));
call(delete, _, _, Pid, Id) -> answer(supervisor:delete_child(Pid, Id));
call(count, _, _, Pid, _) ->
    lists:join("/", [integer_to_list(Count) || {_, Count} <- supervisor:count_children(Pid)]).

answer(ok) -> "ok";
answer({ok, _}) -> "ok";
answer({error, already_present}) -> "already-present";
answer({error, {already_started, _}}) -> "already-started";
answer({error, running}) -> "running";
answer({error, restarting}) -> "restarting";
answer({error, not_found}) -> "not-found";
answer({error, simple_one_for_one}) -> "simple-one-for-one";
answer({error, {bad_combination, _}}) -> "invalid-spec";
answer({error, _}) -> "start-failed".

%% --- The tree ---

start_tree(Case, Above, Tree) ->
    #{start := {M, F, A}} = child_spec(Case, Above, Tree),
    apply(M, F, A).

child_spec(Case, Above, {worker, Id, Restart, Significant, Shutdown, How}) ->
    #{id => Id, start => {?MODULE, start_worker, [Case, Above ++ "/" ++ Id, How]},
      restart => Restart, significant => Significant, shutdown => Shutdown, type => worker};
child_spec(Case, Above, {supervisor, Id, Restart, Significant, Shutdown, _, _} = Tree) ->
    #{id => Id, start => {?MODULE, start_supervisor, [Case, {Above ++ "/" ++ Id, Tree}]},
      restart => Restart, significant => Significant, shutdown => Shutdown, type => supervisor}.

start_supervisor(Case, {Path, {supervisor, _, _, _, _, Flags, Children}}) ->
    supervisor:start_link(?MODULE, {Case, Path, Flags, Children}).

init({Case, Path, {simple_one_for_one, _, _, _} = Flags, [Template]}) ->
    begun(Case, Path),
    Spec = child_spec(Case, Path, Template),
    {ok, {flags(Flags), [Spec#{start => {?MODULE, start_instance, [Case, {Path, Template}]}}]}};
init({Case, Path, Flags, Children}) ->
    begun(Case, Path),
    {ok, {flags(Flags), [child_spec(Case, Path, Child) || Child <- Children]}}.

flags({Strategy, Intensity, Period, AutoShutdown}) ->
    #{strategy => Strategy, intensity => Intensity, period => Period, auto_shutdown => AutoShutdown}.

start_instance(Case, {Path, Template}, Id) -> start_tree(Case, Path, setelement(2, Template, Id)).

start_worker({Table, _} = Case, Path, How) ->
    Start = ets:update_counter(Table, {start, Path}, 1, {{start, Path}, 0}),
    case planned(Table, Path, Start) of
        fail ->
            record(Case, ["start-failed ", Path]),
            {error, planned};
        Plan ->
            Parent = self(),
            Pid = spawn_link(fun() ->
                process_flag(trap_exit, true),
                begun(Case, Path),
                record(Case, ["start ", Path]),
                Parent ! {self(), started},
                Plan =:= exit andalso exit(normal),
                worker(Parent, How)
            end),
            receive {Pid, started} -> ok end,
            Plan =:= exit andalso await_end(Pid),
            {ok, Pid}
    end.

planned(Table, Path, Start) ->
    [{plans, Plans}] = ets:lookup(Table, plans),
    proplists:get_value({Path, Start}, Plans, none).

await_end(Pid) ->
    Monitor = monitor(process, Pid),
    receive {'DOWN', Monitor, _, _, _} -> ok end.

worker(Parent, How) ->
    receive
        {fault, Reason} -> exit(Reason);
        {'EXIT', Parent, shutdown} -> told_to_stop(How);
        {'EXIT', Parent, Reason} -> exit(Reason);
        {'EXIT', _, _} -> worker(Parent, How)
    end.

told_to_stop(polite) -> exit(shutdown);
told_to_stop({slow, Ms}) -> receive never -> ok after Ms -> exit(shutdown) end;
told_to_stop(stubborn) -> receive never -> ok end;
told_to_stop({with, Reason}) -> exit(Reason).

%% --- What happened ---

begun({Table, Recorder}, Path) ->
    ask(Recorder, {watch, Path, self()}),
    ets:insert(Table, {{pid, Path}, self()}).

record({_, Recorder}, Event) -> ask(Recorder, {record, lists:flatten(Event)}).

pid_of({Table, _}, Path) ->
    case ets:lookup(Table, {pid, Path}) of
        [{_, Pid}] -> Pid;
        [] -> none
    end.

ask(Recorder, Question) ->
    Tag = make_ref(),
    Recorder ! {Question, self(), Tag},
    receive {Tag, Answer} -> Answer end.

recorder(Events, Living) ->
    receive
        stop -> ok;
        {{watch, Path, Pid}, From, Tag} ->
            monitor(process, Pid),
            From ! {Tag, ok},
            recorder(Events, Living#{Pid => Path});
        {{record, Event}, From, Tag} ->
            From ! {Tag, ok},
            recorder([Event | Events], Living);
        {living, From, Tag} ->
            From ! {Tag, {length(Events), Living}},
            recorder(Events, Living);
        {take, From, Tag} ->
            From ! {Tag, lists:reverse(Events)},
            recorder([], Living);
        {'DOWN', _, process, Pid, Reason} ->
            Event = lists:flatten(["stop ", maps:get(Pid, Living), " ", reason(Reason)]),
            recorder([Event | Events], maps:remove(Pid, Living))
    end.

reason({shutdown, {failed_to_start_child, _, _}}) -> "failed-to-start-child";
reason({shutdown, Detail}) -> ["shutdown:", atom_to_list(Detail)];
reason(Reason) when Reason =:= normal; Reason =:= shutdown; Reason =:= killed -> atom_to_list(Reason);
reason(_) -> "crash".

finish_step({_, Recorder} = Case, Root, Result) ->
    View = settle(Case, Root, erlang:monotonic_time(second) + ?settle_seconds),
    lists:join(",", [["result ", Result] | ask(Recorder, take)] ++ View).

%% Waits until nothing is under way: every supervisor has answered, nobody is being restarted, whoever is in the tree
%% lives, whoever lives is in the tree, and nothing happened meanwhile.
settle({_, Recorder} = Case, Root, Deadline) ->
    {Before, _} = ask(Recorder, living),
    Walked = case is_up(Root) of
        true -> catch walk(Recorder, Root);
        false -> {[], []}
    end,
    {After, Living} = ask(Recorder, living),
    Late = erlang:monotonic_time(second) > Deadline,
    case Walked of
        {Pids, View} when Before =:= After ->
            case lists:sort(Pids) =:= lists:sort(maps:keys(Living)) of
                true -> View;
                false when Late -> ["never settles " ++ Path || {_, Path} <- maps:to_list(Living)];
                false -> again(Case, Root, Deadline)
            end;
        _ when Late -> ["never settles"];
        _ -> again(Case, Root, Deadline)
    end.

again(Case, Root, Deadline) ->
    receive after 1 -> ok end,
    settle(Case, Root, Deadline).

walk(Recorder, Root) ->
    {_, Living} = ask(Recorder, living),
    walk_down(Root, supervisor, maps:get(Root, Living), Living).

walk_down(Pid, worker, Path, _) -> {[Pid], ["view " ++ Path ++ " running"]};
walk_down(Pid, supervisor, Path, Living) ->
    Children = lists:reverse(supervisor:which_children(Pid)),
    Below = [walk_child(Child, Path, Living) || Child <- Children],
    {[Pid | lists:append([Pids || {Pids, _} <- Below])],
     ["view " ++ Path ++ " running" | lists:append([View || {_, View} <- Below])]}.

walk_child({_, restarting, _, _}, _, _) -> throw(unsettled);
walk_child({Id, undefined, _, _}, Path, _) -> {[], ["view " ++ Path ++ "/" ++ Id ++ " down"]};
walk_child({_, Pid, Type, _}, _, Living) ->
    case Living of
        #{Pid := Path} -> walk_down(Pid, Type, Path, Living);
        _ -> throw(unsettled)
    end.
