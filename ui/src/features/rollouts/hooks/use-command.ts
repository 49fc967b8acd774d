import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { ResourceRef } from '@/api-types';
import { actionsQuery, runAction } from '@/lib/api/resource';
import type { AppId } from '@/lib/application';
import type { Rollout, RolloutTarget } from '@/lib/rollout';
import { offersOf, stateOf, type Offer } from '../offers';

/** So long an answer of the controller may take before the page says that it is overdue. */
const OVERDUE_MS = 30_000;

export interface Choice extends Offer {
  disabled: boolean;
  /** Whether it concerns this target alone; a server that does not know how to say so takes it for all. */
  forAll: boolean;
}

export interface Pending {
  action: string;
  /** Who asked, when it was not this page. */
  by: string | undefined;
  overdue: boolean;
}

interface Sent {
  action: string;
  before: string;
  overdue: boolean;
}

/** What can be done to a target, and what was asked for and has not been carried out. */
export function useCommand(id: AppId, ref: ResourceRef, rollout: Rollout, target: RolloutTarget) {
  const client = useQueryClient();
  const query = actionsQuery(id, ref, true);
  const listed = useQuery(query);
  const [sent, setSent] = useState<Sent>();
  const state = stateOf(target);
  const known = listed.data;
  // Without the list the server decides; while it is on its way nothing is offered that might vanish again.
  const offers = listed.isPending ? [] : offersOf(rollout, target);
  const actionOf = (offer: Offer) => known?.find((each) => each.name === offer.action) ?? known?.find((each) => each.name === offer.instead);
  const choices = offers.flatMap((offer): Choice[] => {
    const action = actionOf(offer);
    if (known && (!action || action.denied)) return [];
    const forAll = rollout.targets.length > 1 && !action?.params?.some((each) => each.name === 'target');
    // The list knows the phase of the whole rollout; what is offered here follows from the target's own.
    const disabled = rollout.kind === 'Rollout' && (action?.disabled ?? false);
    return [{ ...offer, action: action?.name ?? offer.action, disabled, forAll }];
  });
  const run = useMutation({
    mutationFn: (choice: Choice) => runAction(id, ref, choice.action, rollout.targets.length > 1 && !choice.forAll ? { target: target.name } : {}),
    onMutate: (choice) => setSent({ action: choice.action, before: state, overdue: false }),
    onError: () => {
      setSent(undefined);
      // Rights may have changed: what cannot be done is not offered any longer.
      void client.invalidateQueries({ queryKey: query.queryKey });
    },
  });
  const waiting = sent && sent.before === state ? sent : undefined;
  useEffect(() => {
    if (!waiting || waiting.overdue || run.isPending) return;
    const timer = setTimeout(() => setSent({ ...waiting, overdue: true }), OVERDUE_MS);
    return () => clearTimeout(timer);
  }, [waiting, run.isPending]);
  const denied = offers.length > 0 && offers.every((offer) => actionOf(offer)?.denied);
  return { choices, denied, run, pending: pendingOf(waiting, rollout, target) };
}

function pendingOf(waiting: Sent | undefined, rollout: Rollout, target: RolloutTarget): Pending | undefined {
  if (waiting) return { action: waiting.action, by: undefined, overdue: waiting.overdue };
  const { command } = rollout;
  if (!command || command.id === target.lastCommand || (command.target && command.target !== target.name)) return undefined;
  return { action: command.verb, by: command.by, overdue: false };
}
